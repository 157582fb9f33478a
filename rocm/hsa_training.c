// SPDX-License-Identifier: GPL-2.0
/*
 * A training job on HSA: long dispatches in a queue of low priority, so many
 * queued ahead that the GPU never runs dry, and data that goes to the GPU and
 * back meanwhile, until SIGTERM.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common.h"

#define WORKGROUPS	64		/* in a dispatch */
#define MEAN_LOOPS	(400000000 / GFX942_LOOP_NS)	/* 400 ms */
#define RING		256		/* packets */
#define MAX_DISPATCHES	16384
/* Bytes. The guest has one CPU, which is to have time for inference, too */
#define BATCH		(32 * 1024)
#define BATCH_GAP_US	200000		/* from one batch to the next */

static struct gpu gpu;
static hsa_queue_t *queue;
static struct gfx942_kernarg *args;
static uint32_t *counters;		/* in device memory */
static hsa_signal_t running;		/* dispatches not yet done */
static unsigned int submitted;
static struct transfer batch;
static uint64_t batches, wrong, next_batch;

/* Independent, and of various lengths as real kernels are */
static void submit(void)
{
	struct gfx942_kernarg *arg = &args[submitted];

	if (submitted == MAX_DISPATCHES)
		die("there are no counters left");
	arg->counters = (uintptr_t)&counters[submitted * WORKGROUPS];
	arg->loops = MEAN_LOOPS * (0.5 + demo_random());
	hsa_signal_add_screlease(running, 1);
	gpu_dispatch(&gpu, queue, arg, WORKGROUPS, running, false);
	submitted++;
}

static void end_batch(void)
{
	batches++;
	wrong += !transfer_right(&batch);
}

/* The next batch of data goes in and comes out while the GPU computes */
static void feed(void)
{
	uint64_t now = now_us();

	if (now < next_batch || hsa_signal_load_scacquire(batch.down))
		return;
	if (batch.round)
		end_batch();
	next_batch = now + BATCH_GAP_US;
	transfer_up(&batch);
	transfer_down(&batch, batch.up);
}

int main(void)
{
	hsa_signal_value_t depth;
	uint64_t ms, start, done = 0;
	uint32_t *seen;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	gpu_open(&gpu);
	queue = gpu_queue(&gpu, RING, HSA_AMD_QUEUE_PRIORITY_LOW);
	args = gpu_alloc(&gpu, gpu.kernarg, MAX_DISPATCHES * sizeof(*args));
	counters = counters_alloc(&gpu, MAX_DISPATCHES * WORKGROUPS);
	seen = gpu_alloc(&gpu, gpu.host, MAX_DISPATCHES * WORKGROUPS * sizeof(*seen));
	running = gpu_signal(0);
	transfer_init(&batch, &gpu, BATCH);

	/* Half as much again as the GPU holds */
	depth = gpu.slots / WORKGROUPS * 3 / 2;
	start = now_us();
	printf("training starts\n");
	while (!stopped()) {
		if (hsa_signal_load_scacquire(running) < depth) {
			while (hsa_signal_load_scacquire(running) < depth)
				submit();
			gpu_ring(queue);
		}
		feed();
		wait_below(running, depth, BATCH_GAP_US / 4);
	}
	ms = (now_us() - start) / 1000;
	counters_read(&gpu, seen, counters, submitted * WORKGROUPS);
	for (i = 0; i < submitted * WORKGROUPS; i++)
		done += seen[i] != 0;
	printf("training ms %lu\ntraining workgroups %lu\n", ms, done);

	must_get_below(running, 1, "a dispatch does not end");
	must_get_below(batch.down, 1, "a copy does not end");
	if (batch.round)
		end_batch();
	counters_read(&gpu, seen, counters, submitted * WORKGROUPS);
	counters_print("training", seen, submitted * WORKGROUPS);
	printf("training copies %lu\ntraining wrong %lu\n", batches, wrong);
	check(hsa_queue_destroy(queue), "destroying the queue");
	transfer_fini(&batch);
	check(hsa_signal_destroy(running), "destroying a signal");
	check(hsa_shut_down(), "hsa_shut_down");
	return 0;
}
