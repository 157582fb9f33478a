// SPDX-License-Identifier: GPL-2.0
/*
 * An inference service on HIP: requests arrive at random, whether or not the
 * earlier ones have been answered. Each brings data that goes to the GPU, is a
 * chain of short dispatches, and the data comes back; all in one stream, so that
 * each step waits for the one before. Prints the latency of each request, from
 * its arrival to its answer.
 *
 * hip_inference none|high REQUESTS MEAN_GAP_US [FILE]: a stream of high priority,
 * or of none. Requests arrive once FILE exists.
 */
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <unistd.h>

#include "hip.h"

static const unsigned int DISPATCHES = 50;	/* in a request */
static const unsigned int WORKGROUPS = 16;	/* in a dispatch */
static const uint32_t LOOPS = 400000 / GFX942_LOOP_NS;	/* 50 times 400 us */
static const size_t DATA = 64 * 1024;		/* bytes that a request brings */

struct request {
	uint64_t arrival;		/* us */
	std::unique_ptr<transfer> data;
	hipEvent_t answered;
	uint32_t *counters;
};

static std::atomic<unsigned int> sent;

static void send(const gpu &gpu, hipStream_t stream, request &r)
{
	r.data->up(stream);
	for (unsigned int i = 0; i < DISPATCHES; i++)
		gpu.dispatch(stream, r.counters + i * WORKGROUPS, WORKGROUPS, LOOPS);
	r.data->down(stream);
	check(hipEventRecord(r.answered, stream), "hipEventRecord");
}

/* In a thread of its own: arrivals do not wait for answers */
static void arrivals(const gpu *gpu, hipStream_t stream, std::vector<request> *requests)
{
	for (request &r : *requests) {
		sleep_until_us(r.arrival);
		send(*gpu, stream, r);
		sent++;
	}
}

int main(int argc, char **argv)
{
	unsigned int n, gap, answers = 0;
	std::vector<uint64_t> latency;
	uint64_t now, wrong = 0;
	uint32_t *counters;
	hipStream_t stream;

	setvbuf(stdout, nullptr, _IOLBF, 0);
	if (argc < 4)
		die("usage: hip_inference none|high REQUESTS MEAN_GAP_US [FILE]");
	n = atoi(argv[2]);
	gap = atoi(argv[3]);
	gpu gpu;
	stream = gpu.stream(strcmp(argv[1], "none") ? RANK_HIGH : RANK_NONE);
	/* One more, with which the runtime prepares what it needs */
	std::vector<request> requests(n), first(1);
	counters = counters_alloc((n + 1) * DISPATCHES * WORKGROUPS);
	for (std::vector<request> *some : { &first, &requests })
		for (request &r : *some) {
			r.data.reset(new transfer(DATA, some == &first ? 0 : &r - &requests[0]));
			r.answered = new_event();
			r.counters = counters + DISPATCHES * WORKGROUPS *
				(some == &first ? n : &r - &requests[0]);
		}
	send(gpu, stream, first[0]);
	check(hipEventSynchronize(first[0].answered), "hipEventSynchronize");
	wrong += !first[0].data->right();
	printf("inference ready\n");
	if (argc > 4)
		wait_for_file(argv[4]);

	now = now_us();
	for (request &r : requests) {
		now += -std::log(demo_random()) * gap;
		r.arrival = now;
	}
	std::thread thread(arrivals, &gpu, stream, &requests);
	for (request &r : requests) {
		while (sent <= answers)
			usleep(500);
		check(hipEventSynchronize(r.answered), "hipEventSynchronize");
		latency.push_back(now_us() - r.arrival);
		wrong += !r.data->right();
		if (++answers % 10 == 0)
			printf("answered %u of %u\n", answers, n);
	}
	thread.join();

	for (uint64_t us : latency)
		printf("latency_us %lu\n", us);
	std::vector<uint32_t> seen = counters_read(counters, (n + 1) * DISPATCHES * WORKGROUPS);
	counters_print("inference", seen.data(), seen.size());
	printf("inference copies %u\ninference wrong %lu\n", answers + 1, wrong);
	return 0;
}
