// SPDX-License-Identifier: GPL-2.0
/*
 * Priority preemption without a monitor in the kernel, as a daemon would do it
 * with the ioctls: every 5 ms it looks whether inference has work, and takes
 * training's queue off the hardware or puts it back. What the queue of another
 * process holds it cannot see, so inference publishes whether it has work.
 * Ends on SIGTERM; whatever it holds then comes back.
 */
#include <time.h>
#include <unistd.h>

#include "demo.h"

#define INTERVAL_NS	5000000		/* as the kernel's monitor */

int main(void)
{
	const struct timespec interval = { .tv_nsec = INTERVAL_NS };
	struct demo_page *page = demo_page_map();
	bool preempted = false;
	struct kfd kfd;
	bool work;
	int r;

	r = kfd_open(&kfd);
	if (r)
		demo_die(r, "/dev/kfd");
	while (!__atomic_load_n(&page->training, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (;;) {
		nanosleep(&interval, NULL);
		work = __atomic_load_n(&page->pending, __ATOMIC_ACQUIRE);
		if (work == preempted)
			continue;
		if (work)
			r = kfd_preempt(&kfd, page->training, page->queue,
					KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0);
		else
			r = kfd_resume(&kfd, page->training, page->queue);
		if (r)
			demo_die(r, work ? "preempting" : "resuming");
		preempted = work;
	}
}
