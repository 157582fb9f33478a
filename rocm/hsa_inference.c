// SPDX-License-Identifier: GPL-2.0
/*
 * An inference service on HSA: requests arrive at random, whether or not the
 * earlier ones have been answered. Each brings data that goes to the GPU, is a
 * chain of short dispatches that depend on one another in a queue of high
 * priority, and the data comes back. Prints the latency of each, from its
 * arrival to its answer.
 *
 * hsa_inference [REQUESTS MEAN_GAP_US]
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"

#define DISPATCHES	50		/* in a request */
#define WORKGROUPS	16		/* in a dispatch */
#define LOOPS		(400000 / GFX942_LOOP_NS)	/* 50 times 400 us */
#define DATA		(64 * 1024)	/* bytes that a request brings */

struct request {
	uint64_t arrival;		/* us */
	struct transfer data;
	hsa_signal_t computed;
};

static struct gpu gpu;
static hsa_queue_t *queue;
static struct gfx942_kernarg *args;
static uint32_t *counters;		/* in device memory */
static unsigned int requests = 100;
static unsigned int mean_gap_us = 1200000;	/* between arrivals */
static struct request *request;
static unsigned int sent;

static void send_request(unsigned int index)
{
	struct request *r = &request[index];
	hsa_signal_t none = { 0 };
	unsigned int i, n;

	transfer_up(&r->data);
	gpu_barrier(queue, r->data.up);
	for (i = 0; i < DISPATCHES; i++) {
		n = index * DISPATCHES + i;
		args[n].counters = (uintptr_t)&counters[n * WORKGROUPS];
		args[n].loops = LOOPS;
		gpu_dispatch(&gpu, queue, &args[n], WORKGROUPS,
			     i == DISPATCHES - 1 ? r->computed : none, true);
	}
	gpu_ring(queue);
	transfer_down(&r->data, r->computed);
}

/* A thread of its own: arrivals do not wait for answers */
static void *arrivals(void *unused)
{
	unsigned int i;

	for (i = 0; i < requests; i++) {
		sleep_until_us(request[i].arrival);
		if (stopped())
			break;
		send_request(i);
		__atomic_store_n(&sent, i + 1, __ATOMIC_RELEASE);
	}
	return unused;
}

/* Return: false if it is not sent, for SIGTERM came before */
static bool wait_for_answer(unsigned int index)
{
	uint64_t now, give_up = 0;

	for (;;) {
		if (__atomic_load_n(&sent, __ATOMIC_ACQUIRE) > index) {
			if (wait_below(request[index].data.down, 1, 500000))
				return true;
			now = now_us();
			if (!give_up)
				give_up = now + PATIENCE_US;
			if (now > give_up)
				die("a request is not answered");
		} else {
			if (stopped())
				return false;
			usleep(500);
		}
	}
}

/* The last dispatch of a request lasts as long as its loops, and is over */
static bool times_right(struct request *r, uint64_t hz)
{
	hsa_amd_profiling_dispatch_time_t t;
	uint64_t now;

	check(hsa_amd_profiling_get_dispatch_time(gpu.agent, r->computed, &t),
	      "the times of a dispatch");
	check(hsa_system_get_info(HSA_SYSTEM_INFO_TIMESTAMP, &now), "the time");
	return t.start < t.end && t.end <= now &&
		(t.end - t.start) * 1e9 / hz > 0.9 * LOOPS * GFX942_LOOP_NS;
}

int main(int argc, char **argv)
{
	uint64_t now, hz, wrong = 0, times_wrong = 0, *latency;
	unsigned int i, answers, ring = 1;
	pthread_t thread;
	uint32_t *seen;
	size_t n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2) {
		requests = atoi(argv[1]);
		mean_gap_us = atoi(argv[2]);
	}
	if (!requests)
		die("usage: hsa_inference [REQUESTS MEAN_GAP_US]");
	n = (size_t)requests * DISPATCHES;
	request = calloc(requests, sizeof(*request));
	latency = calloc(requests, sizeof(*latency));
	if (!request || !latency)
		die("no memory");
	gpu_open(&gpu);
	/* The ring holds all, so that an arrival never waits for a slot */
	while (ring < requests * (DISPATCHES + 1))
		ring *= 2;
	queue = gpu_queue(&gpu, ring, HSA_AMD_QUEUE_PRIORITY_HIGH);
	args = gpu_alloc(&gpu, gpu.kernarg, n * sizeof(*args));
	counters = counters_alloc(&gpu, n * WORKGROUPS);
	seen = gpu_alloc(&gpu, gpu.host, n * WORKGROUPS * sizeof(*seen));
	for (i = 0; i < requests; i++) {
		transfer_init(&request[i].data, &gpu, DATA);
		request[i].data.round = i;
		request[i].computed = gpu_signal(1);
	}
	check(hsa_system_get_info(HSA_SYSTEM_INFO_TIMESTAMP_FREQUENCY, &hz),
	      "the clock's frequency");

	now = now_us();
	for (i = 0; i < requests; i++) {
		now += -log(demo_random()) * mean_gap_us;
		request[i].arrival = now;
	}
	if (pthread_create(&thread, NULL, arrivals, NULL))
		die("no thread");
	for (answers = 0; answers < requests && wait_for_answer(answers); answers++) {
		latency[answers] = now_us() - request[answers].arrival;
		wrong += !transfer_right(&request[answers].data);
		times_wrong += !times_right(&request[answers], hz);
		if ((answers + 1) % 10 == 0)
			printf("answered %u of %u\n", answers + 1, requests);
	}
	pthread_join(thread, NULL);

	for (i = 0; i < answers; i++)
		printf("latency_us %lu\n", latency[i]);
	n = (size_t)answers * DISPATCHES * WORKGROUPS;
	if (n)
		counters_read(&gpu, seen, counters, n);
	counters_print("inference", seen, n);
	printf("inference copies %u\ninference wrong %lu\ninference times_wrong %lu\n",
	       answers, wrong, times_wrong);
	check(hsa_queue_destroy(queue), "destroying the queue");
	for (i = 0; i < requests; i++) {
		transfer_fini(&request[i].data);
		check(hsa_signal_destroy(request[i].computed), "destroying a signal");
	}
	check(hsa_shut_down(), "hsa_shut_down");
	return 0;
}
