// SPDX-License-Identifier: GPL-2.0
/*
 * An inference service: requests arrive at random, whether or not the earlier
 * ones have been answered, and each is a chain of short dispatches that depend
 * on one another. Prints the latency of each, from its arrival to its answer.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "demo.h"

#define REQUESTS	100
#define MEAN_GAP_US	1200000		/* between arrivals */
#define DISPATCHES	50		/* in a request */
#define WORKGROUPS	16		/* in a dispatch */
#define LOOPS		(400000 / GFX942_LOOP_NS)	/* 50 times 400 us */

static struct kfd kfd;
static struct kfd_queue queue;
static struct demo_page *page;
static struct kfd_signal *answered;	/* counts the requests down */
static struct gfx942_kernarg *args;
static __u32 *counters;
static __u64 arrival[REQUESTS];		/* us */

static void send_request(unsigned int request)
{
	unsigned int i, n;
	int r;

	for (i = 0; i < DISPATCHES; i++) {
		n = request * DISPATCHES + i;
		args[n].counters = (uintptr_t)&counters[n * WORKGROUPS];
		args[n].loops = LOOPS;
		r = kfd_queue_dispatch(&queue, GFX942_COUNT, WORKGROUPS, &args[n],
				       i == DISPATCHES - 1 ? answered : NULL, true);
		if (r)
			demo_die(r, "dispatching");
	}
	kfd_queue_doorbell(&queue);
}

/* A thread of its own: arrivals do not wait for answers */
static void *arrivals(void *unused)
{
	struct timespec ts;
	unsigned int i;

	for (i = 0; i < REQUESTS; i++) {
		ts.tv_sec = arrival[i] / 1000000;
		ts.tv_nsec = arrival[i] % 1000000 * 1000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		__atomic_add_fetch(&page->pending, 1, __ATOMIC_SEQ_CST);
		send_request(i);
	}
	return unused;
}

static __u64 wait_for_answer(struct kfd_event *event, unsigned int request)
{
	int r;

	while (__atomic_load_n(&answered->value, __ATOMIC_ACQUIRE) > REQUESTS - 1 - request) {
		r = kfd_event_wait(&kfd, event, KFD_TIMEOUT_MS);
		if (r)
			demo_die(r, "waiting for an answer");
	}
	return kfd_now_us();
}

int main(void)
{
	struct kfd_ioctl_gpreempt_args stats;
	__u64 latency[REQUESTS], now;
	struct kfd_event event;
	pthread_t thread;
	unsigned int i;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	page = demo_page_map();
	/* The ring holds all, so that an arrival never waits for a slot */
	demo_open(&kfd, &queue, DEMO_INFERENCE_PRIORITY, 8192);
	args = demo_alloc(&kfd, REQUESTS * DISPATCHES * sizeof(*args));
	counters = demo_alloc(&kfd, REQUESTS * DISPATCHES * WORKGROUPS * sizeof(*counters));
	answered = demo_alloc(&kfd, sizeof(*answered));
	answered->kind = 1;
	answered->value = REQUESTS;
	r = kfd_event_create(&kfd, &event);
	if (r)
		demo_die(r, "creating an event");
	kfd_event_attach(&kfd, &event, answered);

	now = kfd_now_us();
	for (i = 0; i < REQUESTS; i++) {
		now += -log(demo_random()) * MEAN_GAP_US;
		arrival[i] = now;
	}
	r = pthread_create(&thread, NULL, arrivals, NULL);
	if (r)
		demo_die(r, "pthread_create");
	for (i = 0; i < REQUESTS; i++) {
		latency[i] = wait_for_answer(&event, i) - arrival[i];
		__atomic_sub_fetch(&page->pending, 1, __ATOMIC_SEQ_CST);
		if ((i + 1) % 10 == 0)
			printf("answered %u of %u\n", i + 1, REQUESTS);
	}
	pthread_join(thread, NULL);

	for (i = 0; i < REQUESTS; i++)
		printf("latency_us %llu\n", latency[i]);
	demo_count("inference", counters, REQUESTS * DISPATCHES * WORKGROUPS);
	r = kfd_gpreempt_query(&kfd, NULL, &stats);
	if (r)
		demo_die(r, "AMDKFD_IOC_GPREEMPT");
	printf("inference preemptions %llu\n", stats.preemptions);
	return 0;
}
