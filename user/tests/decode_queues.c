// SPDX-License-Identifier: GPL-2.0
/*
 * Queues for gpreempt decode: one with waves in flight, one that is preempted with
 * waves saved, one that never ran, one that is disabled. Prints what is known of each,
 * then what debugfs says.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kfd_lib.h"

#define DEBUGFS	"/sys/kernel/debug/kfd/"

enum { RUNS, PREEMPTED, IDLE, DISABLED, QUEUES };

static const char * const state[] = { "running", "preempted", "running", "not running" };
static struct kfd kfd;
static struct kfd_queue queues[QUEUES];
static struct kfd_job jobs[IDLE];

static void check(int r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "decode_queues: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void print(const char *file)
{
	static char text[1 << 16];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	check(fd < 0 ? -1 : 0, file);
	while ((n = read(fd, text, sizeof(text))) > 0)
		check(write(STDOUT_FILENO, text, n) == n ? 0 : -1, "writing");
	check(n, file);
	close(fd);
}

int main(void)
{
	int i;

	check(kfd_open(&kfd), "opening the GPU");
	for (i = 0; i < QUEUES; i++) {
		struct kfd_queue_opts opts = {
			.ring_size = 4096 << i,
			.priority = 5 + i,
			.has_priority = true,
			.disabled = i == DISABLED,
		};

		check(kfd_queue_create(&kfd, &queues[i], &opts), "creating a queue");
	}
	for (i = 0; i < IDLE; i++) {
		check(kfd_job_init(&kfd, &jobs[i], GFX942_WAIT, 50, 1), "a job");
		check(kfd_job_submit(&jobs[i], &queues[i]), "submitting");
		while (kfd_queue_rptr(&queues[i]) < 1)
			usleep(1000);
	}
	check(kfd_queue_preempt(&queues[PREEMPTED], KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0), "preempting");
	for (i = 0; i < QUEUES; i++) {
		printf("expect {\"state\": \"%s\", \"pid\": %d, \"gpu_id\": %u, ",
		       state[i], getpid(), kfd.gpu.id);
		printf("\"priority\": %u, ", queues[i].priority);
		printf("\"ring\": %llu, \"ring_bytes\": %u, \"xccs\": %u, \"save_area\": %llu, ",
		       (unsigned long long)(uintptr_t)queues[i].ring.cpu, queues[i].ring_size,
		       kfd.gpu.xccs, (unsigned long long)(uintptr_t)queues[i].cwsr.cpu);
		printf("\"save_area_bytes\": %u, \"control_stack_bytes\": %u}\n",
		       kfd.gpu.cwsr_size, kfd.gpu.ctl_stack_size);
	}
	fflush(stdout);
	print(DEBUGFS "mqds");
	print(DEBUGFS "hqds");

	check(kfd_queue_resume(&queues[PREEMPTED]), "resuming");
	for (i = 0; i < IDLE; i++) {
		kfd_job_release(&jobs[i]);
		check(kfd_job_wait(&jobs[i], KFD_TIMEOUT_MS), "waiting");
		check(kfd_job_wrong(&jobs[i], 1), "workgroups");
	}
	puts("end");
	return 0;
}
