// SPDX-License-Identifier: GPL-2.0
/*
 * An inference service: requests arrive at random, whether or not the earlier
 * ones have been answered, and each is a chain of short dispatches that depend
 * on one another. Prints the latency of each, from its arrival to its answer.
 *
 * inference [REQUESTS MEAN_GAP_US [LIMIT_MS [AHEAD_US]]]: stop LIMIT_MS after
 * the last arrival, answered or not. With AHEAD_US it holds training's queue by
 * itself while it has work, and from so long before each arrival on, as a runtime
 * can that hears of a request before it can submit it.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "demo.h"

#define DISPATCHES	50		/* in a request */
#define WORKGROUPS	16		/* in a dispatch */
#define LOOPS		(400000 / GFX942_LOOP_NS)	/* 50 times 400 us */

static struct kfd kfd;
static struct kfd_queue queue;
static struct demo_page *page;
static struct kfd_signal *answered;	/* counts the requests down */
static struct gfx942_kernarg *args;
static __u32 *counters;
static unsigned int requests = 100;
static unsigned int mean_gap_us = 1200000;	/* between arrivals */
static __u64 limit_us = -1ull;			/* when to stop */
static __u64 *arrival;				/* us */
static long ahead_us = -1;			/* negative: holds nothing */
static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;	/* of wanted */
static unsigned int wanted;			/* requests that training is held for */

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

/* The first one that wants it takes training off, the last one puts it back. */
static void want(int change)
{
	int r = 0;

	if (ahead_us < 0)
		return;
	pthread_mutex_lock(&hold_lock);
	if (!wanted)
		r = kfd_preempt(&kfd, page->training, page->queue,
				KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0);
	wanted += change;
	if (!wanted)
		r = kfd_resume(&kfd, page->training, page->queue);
	pthread_mutex_unlock(&hold_lock);
	if (r)
		demo_die(r, "holding training's queue");
}

static void sleep_until(__u64 us)
{
	struct timespec ts = {
		.tv_sec = us / 1000000,
		.tv_nsec = us % 1000000 * 1000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* A thread of its own: arrivals do not wait for answers */
static void *arrivals(void *unused)
{
	unsigned int i;

	for (i = 0; i < requests; i++) {
		if (ahead_us > 0)
			sleep_until(arrival[i] - ahead_us);
		else
			sleep_until(arrival[i]);
		want(1);
		sleep_until(arrival[i]);
		__atomic_add_fetch(&page->pending, 1, __ATOMIC_SEQ_CST);
		send_request(i);
	}
	return unused;
}

/* Return: when that was, or 0 if time was up */
static __u64 wait_for_answer(struct kfd_event *event, unsigned int request)
{
	unsigned int ms = KFD_TIMEOUT_MS;
	__u64 now;
	int r;

	while (__atomic_load_n(&answered->value, __ATOMIC_ACQUIRE) > requests - 1 - request) {
		now = kfd_now_us();
		if (now >= limit_us)
			return 0;
		if (limit_us - now < ms * 1000ull)
			ms = (limit_us - now) / 1000 + 1;
		r = kfd_event_wait(&kfd, event, ms);
		if (r && (r != -ETIME || limit_us == -1ull))
			demo_die(r, "waiting for an answer");
	}
	return kfd_now_us();
}

int main(int argc, char **argv)
{
	struct kfd_ioctl_gpreempt_args stats;
	unsigned int i, answers, ring = 1;
	struct kfd_event event;
	__u64 *latency, now;
	pthread_t thread;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2) {
		requests = atoi(argv[1]);
		mean_gap_us = atoi(argv[2]);
	}
	arrival = calloc(2 * requests, sizeof(*arrival));
	if (!arrival)
		demo_die(ENOMEM, "arrivals");
	latency = arrival + requests;
	page = demo_page_map();
	/* The ring holds all, so that an arrival never waits for a slot */
	while (ring < requests * DISPATCHES)
		ring *= 2;
	demo_open(&kfd, &queue, DEMO_INFERENCE_PRIORITY, ring);
	args = demo_alloc(&kfd, requests * DISPATCHES * sizeof(*args));
	counters = demo_alloc(&kfd, requests * DISPATCHES * WORKGROUPS * sizeof(*counters));
	answered = demo_alloc(&kfd, sizeof(*answered));
	answered->kind = 1;
	answered->value = requests;
	r = kfd_event_create(&kfd, &event);
	if (r)
		demo_die(r, "creating an event");
	kfd_event_attach(&kfd, &event, answered);

	now = kfd_now_us();
	for (i = 0; i < requests; i++) {
		now += -log(demo_random()) * mean_gap_us;
		arrival[i] = now;
	}
	if (argc > 3)
		limit_us = now + atoi(argv[3]) * 1000ull;
	if (argc > 4)
		ahead_us = atoi(argv[4]);
	r = pthread_create(&thread, NULL, arrivals, NULL);
	if (r)
		demo_die(r, "pthread_create");
	for (answers = 0; answers < requests; answers++) {
		now = wait_for_answer(&event, answers);
		if (!now)
			break;
		latency[answers] = now - arrival[answers];
		__atomic_sub_fetch(&page->pending, 1, __ATOMIC_SEQ_CST);
		want(-1);
		if ((answers + 1) % 10 == 0)
			printf("answered %u of %u\n", answers + 1, requests);
	}
	pthread_join(thread, NULL);

	for (i = 0; i < answers; i++)
		printf("latency_us %llu\n", latency[i]);
	/* They have waited for so long at least */
	for (; i < requests; i++)
		printf("unanswered_us %llu\n", limit_us - arrival[i]);
	demo_count("inference", counters, answers * DISPATCHES * WORKGROUPS);
	r = kfd_gpreempt_query(&kfd, NULL, &stats);
	if (r)
		demo_die(r, "AMDKFD_IOC_GPREEMPT");
	printf("inference preemptions %llu\n", stats.preemptions);
	return 0;
}
