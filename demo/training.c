// SPDX-License-Identifier: GPL-2.0
/*
 * A training job: long dispatches, so many queued ahead that the GPU never
 * runs dry, until SIGTERM.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "demo.h"

#define WORKGROUPS	64		/* in a dispatch */
#define MEAN_LOOPS	(400000000 / GFX942_LOOP_NS)	/* 400 ms */
#define RING		256		/* packets */
#define MAX_DISPATCHES	16384

static struct kfd kfd;
static struct kfd_queue queue;
static struct gfx942_kernarg *args;
static __u32 *counters;
static struct kfd_signal *running;	/* dispatches not yet done */
static unsigned int submitted;
static __u64 off_us;			/* time off the hardware */
static int stop;

static void on_sigterm(int sig)
{
	(void)sig;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static __s64 outstanding(void)
{
	return __atomic_load_n(&running->value, __ATOMIC_ACQUIRE);
}

/* Independent, and of various lengths as real kernels are */
static void submit(void)
{
	struct gfx942_kernarg *arg = &args[submitted];
	int r;

	if (submitted == MAX_DISPATCHES)
		demo_die(ENOSPC, "counters");
	arg->counters = (uintptr_t)&counters[submitted * WORKGROUPS];
	arg->loops = MEAN_LOOPS * (0.5 + demo_random());
	__atomic_add_fetch(&running->value, 1, __ATOMIC_SEQ_CST);
	r = kfd_queue_dispatch(&queue, GFX942_COUNT, WORKGROUPS, arg, running, false);
	if (r)
		demo_die(r, "dispatching");
	submitted++;
}

static void wait_for_one(struct kfd_event *event)
{
	int r = kfd_event_wait(&kfd, event, KFD_TIMEOUT_MS);

	if (r)
		demo_die(r, "waiting for a dispatch");
}

/* A thread of its own adds up the time for which the queue is preempted */
static void *watch_queue(void *unused)
{
	struct kfd_ioctl_gpreempt_args state;
	__u64 now, last = kfd_now_us();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		usleep(1000);
		if (kfd_gpreempt_query(&kfd, &queue, &state))
			break;
		now = kfd_now_us();
		if (state.queue_state == KFD_IOC_GPREEMPT_QUEUE_PREEMPTED)
			off_us += now - last;
		last = now;
	}
	return unused;
}

int main(void)
{
	struct demo_page *page = demo_page_map();
	__u64 start, ms, done = 0, slot_ms = 0;
	struct kfd_event event;
	pthread_t thread;
	__s64 depth;
	size_t i;
	int r;

	signal(SIGTERM, on_sigterm);
	demo_open(&kfd, &queue, DEMO_TRAINING_PRIORITY, RING);
	args = demo_alloc(&kfd, MAX_DISPATCHES * sizeof(*args));
	counters = demo_alloc(&kfd, MAX_DISPATCHES * WORKGROUPS * sizeof(*counters));
	running = demo_alloc(&kfd, sizeof(*running));
	running->kind = 1;
	r = kfd_event_create(&kfd, &event);
	if (r)
		demo_die(r, "creating an event");
	kfd_event_attach(&kfd, &event, running);
	page->queue = queue.id;
	__atomic_store_n(&page->training, getpid(), __ATOMIC_RELEASE);

	/* Half as much again as the GPU holds */
	depth = kfd.gpu.wave_slots / WORKGROUPS * 3 / 2;
	start = kfd_now_us();
	r = pthread_create(&thread, NULL, watch_queue, NULL);
	if (r)
		demo_die(r, "pthread_create");
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (outstanding() < depth) {
			while (outstanding() < depth)
				submit();
			kfd_queue_doorbell(&queue);
		}
		wait_for_one(&event);
	}
	ms = (kfd_now_us() - start) / 1000;
	pthread_join(thread, NULL);
	for (i = 0; i < submitted * WORKGROUPS; i++) {
		if (!__atomic_load_n(&counters[i], __ATOMIC_ACQUIRE))
			continue;
		done++;
		slot_ms += (__u64)args[i / WORKGROUPS].loops * GFX942_LOOP_NS / 1000000;
	}
	printf("training ms %llu\ntraining workgroups %llu\n", ms, done);
	printf("training slot_ms %llu\ntraining slots %u\ntraining off_ms %llu\n", slot_ms,
	       kfd.gpu.wave_slots, off_us / 1000);

	while (outstanding())
		wait_for_one(&event);
	demo_count("training", counters, submitted * WORKGROUPS);
	return 0;
}
