// SPDX-License-Identifier: GPL-2.0
/*
 * A training job on HIP: long dispatches in several streams, so many queued ahead
 * that the GPU never runs dry, and data that goes to the GPU and back between
 * them, until SIGTERM.
 *
 * hip_training none|low [FILE]: in streams of low priority, or of none. FILE is made
 * when the GPU is full.
 */
#include <cstdio>
#include <cstring>
#include <thread>

#include "hip.h"

static const unsigned int STREAMS = 4;
static const unsigned int AHEAD = 3;			/* dispatches, in each stream */
static const unsigned int MAX_DISPATCHES = 1024;	/* in each stream */
static const uint32_t MEAN_LOOPS = 400000000 / GFX942_LOOP_NS;	/* 400 ms */
static const size_t BATCH = 32 * 1024;			/* bytes */

struct job {
	hipStream_t stream;
	uint32_t *counters;
	hipEvent_t done[AHEAD];
	transfer *batch;
	unsigned int submitted;
	uint64_t batches, wrong;
	std::vector<uint32_t> loops;
};

static unsigned int workgroups;		/* in a dispatch */
static const char *full;		/* file to make */

/* One step: data in, compute, data out. Its time was chosen before, by one thread. */
static void step(const gpu &gpu, job &job)
{
	unsigned int n = job.submitted;

	if (n == MAX_DISPATCHES)
		die("there are no counters left");
	/* The data of one step at a time is on the way */
	if (!(n % AHEAD))
		job.batch->up(job.stream);
	gpu.dispatch(job.stream, job.counters + n * workgroups, workgroups, job.loops[n]);
	if (!(n % AHEAD))
		job.batch->down(job.stream);
	check(hipEventRecord(job.done[n % AHEAD], job.stream), "hipEventRecord");
	job.submitted++;
}

/* The end of step @n, one of the last AHEAD */
static void wait_for(job &job, unsigned int n)
{
	check(hipEventSynchronize(job.done[n % AHEAD]), "hipEventSynchronize");
	if (n % AHEAD)
		return;
	job.batches++;
	job.wrong += !job.batch->right();
}

static void work(const gpu *gpu, job *job)
{
	unsigned int n = 0;

	while (!stopped()) {
		step(*gpu, *job);
		if (job->submitted - n < AHEAD)
			continue;
		wait_for(*job, n++);
		if (n == AHEAD && full)
			make_file(full);
	}
	for (; n < job->submitted; n++)
		wait_for(*job, n);
}

int main(int argc, char **argv)
{
	enum rank rank;
	uint64_t start, us, done = 0, batches = 0, wrong = 0;
	std::vector<std::thread> threads;
	std::vector<uint32_t> all;
	struct job jobs[STREAMS] = {};

	setvbuf(stdout, nullptr, _IOLBF, 0);
	if (argc < 2)
		die("usage: hip_training none|low [FILE]");
	rank = strcmp(argv[1], "none") ? RANK_LOW : RANK_NONE;
	full = argv[2];
	stop_at_sigterm();
	gpu gpu;
	/* Together half as much again as the GPU holds, and streams are never all dry */
	workgroups = gpu.slots / STREAMS * 3 / 2;
	for (job &job : jobs) {
		job.stream = gpu.stream(rank);
		job.counters = counters_alloc(MAX_DISPATCHES * workgroups);
		job.batch = new transfer(BATCH);
		for (hipEvent_t &event : job.done)
			event = new_event();
		for (unsigned int i = 0; i < MAX_DISPATCHES; i++)
			job.loops.push_back(MEAN_LOOPS * (0.5 + demo_random()));
	}

	start = now_us();
	printf("training starts\n");
	for (job &job : jobs)
		threads.emplace_back(work, &gpu, &job);
	for (std::thread &thread : threads)
		thread.join();
	us = now_us() - start;
	for (job &job : jobs) {
		std::vector<uint32_t> seen = counters_read(job.counters,
							   job.submitted * workgroups);

		all.insert(all.end(), seen.begin(), seen.end());
		for (uint32_t n : seen)
			done += n != 0;
		batches += job.batches;
		wrong += job.wrong;
	}
	printf("training ms %lu\ntraining workgroups %lu\n", us / 1000, done);
	counters_print("training", all.data(), all.size());
	printf("training copies %lu\ntraining wrong %lu\n", batches, wrong);
	return 0;
}
