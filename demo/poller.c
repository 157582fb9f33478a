// SPDX-License-Identifier: GPL-2.0
/*
 * Priority preemption without a monitor in the kernel, as a daemon would do it
 * with the ioctls. A process can preempt its own queues only, so the daemon is
 * a thread of training; and it cannot see the pointers of another process's
 * queue, so inference publishes whether it has work.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "demo.h"

#define INTERVAL_NS	5000000		/* as the kernel's monitor */

static struct kfd_queue *victim;
static struct demo_page *page;
static pthread_t thread;
static int stop;

static void *poller(void *unused)
{
	const struct timespec interval = { .tv_nsec = INTERVAL_NS };
	bool preempted = false;
	bool work;
	int r;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		nanosleep(&interval, NULL);
		work = __atomic_load_n(&page->pending, __ATOMIC_ACQUIRE);
		if (work == preempted)
			continue;
		if (work)
			r = kfd_queue_preempt(victim, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0);
		else
			r = kfd_queue_resume(victim);
		if (r)
			demo_die(r, work ? "preempting" : "resuming");
		preempted = work;
	}
	return unused;
}

int poller_start(struct kfd_queue *training)
{
	victim = training;
	page = demo_page_map();
	return pthread_create(&thread, NULL, poller, NULL);
}

/* When training has ended: nothing is preempted then */
void poller_stop(void)
{
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}
