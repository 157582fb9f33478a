// SPDX-License-Identifier: GPL-2.0 OR MIT
/* List the compute queues of all processes that the caller may preempt */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kfd_ioctl.h>

static const char * const states[] = {
	[KFD_IOC_GPREEMPT_QUEUE_ACTIVE] = "ACTIVE",
	[KFD_IOC_GPREEMPT_QUEUE_PREEMPTING] = "PREEMPTING",
	[KFD_IOC_GPREEMPT_QUEUE_PREEMPTED] = "PREEMPTED",
	[KFD_IOC_GPREEMPT_QUEUE_RESUMING] = "RESUMING",
};

static const char * const holders[] = {
	[KFD_IOC_GPREEMPT_HOLDER_NONE] = "-",
	[KFD_IOC_GPREEMPT_HOLDER_IOCTL] = "ioctl",
	[KFD_IOC_GPREEMPT_HOLDER_MONITOR] = "monitor",
	[KFD_IOC_GPREEMPT_HOLDER_NOBODY] = "nobody",
};

static void print_queue(const struct kfd_ioctl_gpreempt_args *q)
{
	printf("%6u %7u %5u %4u %-10s %-7s", q->gpu_id, q->pid, q->queue_id, q->queue_priority,
	       states[q->queue_state], holders[q->queue_holder]);
	if (q->queue_flags & KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN)
		printf(" %7llu", (unsigned long long)q->queue_pending);
	else
		printf(" %7s", "-");
	if (q->queue_flags & KFD_IOC_GPREEMPT_QUEUE_WAVES_KNOWN)
		printf(" %7u", q->queue_waves);
	else
		printf(" %7s", "-");
	printf(" %5llu\n", (unsigned long long)q->queue_preemptions);
}

/* Return: 0, or -1 with errno */
static int list_process(int kfd, __u32 gpu_id, __u32 pid)
{
	struct kfd_ioctl_gpreempt_args q;
	__u32 id;

	for (id = 0;; id = q.queue_id + 1) {
		q = (struct kfd_ioctl_gpreempt_args) {
			.op = KFD_IOC_GPREEMPT_OP_NEXT_QUEUE,
			.gpu_id = gpu_id,
			.pid = pid,
			.queue_id = id,
			.flags = KFD_IOC_GPREEMPT_READ_PENDING | KFD_IOC_GPREEMPT_READ_WAVES,
		};
		if (ioctl(kfd, AMDKFD_IOC_GPREEMPT, &q))
			break;
		print_queue(&q);
	}
	/* That was the last one; or the process has ended, or is another's now */
	return errno == ENOENT || errno == ESRCH || errno == EPERM ? 0 : -1;
}

static int list_gpu(int kfd, __u32 gpu_id)
{
	struct kfd_ioctl_gpreempt_args p;
	__u32 pid;

	for (pid = 0;; pid = p.pid) {
		p = (struct kfd_ioctl_gpreempt_args) {
			.op = KFD_IOC_GPREEMPT_OP_NEXT_PID,
			.gpu_id = gpu_id,
			.pid = pid,
		};
		if (ioctl(kfd, AMDKFD_IOC_GPREEMPT, &p))
			return errno == ENOENT ? 0 : -1;
		if (list_process(kfd, gpu_id, p.pid))
			return -1;
	}
}

/* The gpu_id of a node of the topology: 0 for a CPU, -1 after the last node */
static long read_gpu_id(unsigned int node)
{
	char path[80];
	long id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/kfd/kfd/topology/nodes/%u/gpu_id", node);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%ld", &id) != 1)
			id = 0;
		fclose(f);
	}
	return id;
}

int main(void)
{
	unsigned int node;
	long gpu_id;
	int kfd;

	kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (kfd < 0) {
		perror("/dev/kfd");
		return 1;
	}
	printf("%6s %7s %5s %4s %-10s %-7s %7s %7s %5s\n", "gpu_id", "pid", "queue", "prio",
	       "state", "holder", "pending", "waves", "times");
	for (node = 0; (gpu_id = read_gpu_id(node)) >= 0; node++) {
		if (gpu_id && list_gpu(kfd, gpu_id)) {
			fprintf(stderr, "gpu_id %ld: %s\n", gpu_id, errno == ENOTTY ?
				"a kernel without CONFIG_HSA_AMD_GPREEMPT" : strerror(errno));
			return 1;
		}
	}
	return 0;
}
