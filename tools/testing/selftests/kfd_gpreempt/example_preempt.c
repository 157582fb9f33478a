// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Take a queue of another process off the hardware for some time */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <linux/kfd_ioctl.h>

static const char *explain(int err)
{
	switch (err) {
	case ENOTTY:
		return "a kernel without CONFIG_HSA_AMD_GPREEMPT";
	case ESRCH:
		return "no such process, or it does not use /dev/kfd";
	case EPERM:
		return "the process of another user, and no CAP_SYS_NICE";
	case EINVAL:
		return "the process has no such queue";
	case EOPNOTSUPP:
		return "not a compute queue, or its waves cannot be saved";
	case EBUSY:
		return "held by somebody else, or about to be destroyed";
	case ETIME:
		return "the queue did not answer in time";
	case EIO:
		return "the device is in reset or gone, or the queue was reset";
	default:
		return strerror(err);
	}
}

int main(int argc, char **argv)
{
	struct kfd_ioctl_preempt_queue_args off = {
		.preempt_type = KFD_IOC_PREEMPT_WAVEFRONT_SAVE,
	};
	struct kfd_ioctl_resume_queue_args on = { 0 };
	struct timespec time;
	unsigned long ms;
	int kfd;

	if (argc != 4) {
		fprintf(stderr, "usage: %s PID QUEUE MILLISECONDS\n", argv[0]);
		return 2;
	}
	off.pid = strtoul(argv[1], NULL, 0);
	off.queue_id = strtoul(argv[2], NULL, 0);
	on.pid = off.pid;
	on.queue_id = off.queue_id;
	ms = strtoul(argv[3], NULL, 0);
	time.tv_sec = ms / 1000;
	time.tv_nsec = ms % 1000 * 1000000;

	kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (kfd < 0) {
		perror("/dev/kfd");
		return 1;
	}
	if (ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &off)) {
		fprintf(stderr, "preempt: %s\n", explain(errno));
		return 1;
	}
	printf("queue %u of %u is off\n", off.queue_id, off.pid);
	fflush(stdout);
	nanosleep(&time, NULL);
	/* To end here would do as well, for the last close resumes what it held */
	if (ioctl(kfd, AMDKFD_IOC_RESUME_QUEUE, &on)) {
		fprintf(stderr, "resume: %s\n", explain(errno));
		return 1;
	}
	printf("queue %u of %u is back\n", on.queue_id, on.pid);
	return 0;
}
