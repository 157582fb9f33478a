// SPDX-License-Identifier: GPL-2.0
/*
 * Eighteen HIP streams at once, of all priorities: what they fill, copy and
 * compute is right, and events tell how long it took. TAP.
 */
#include <cstdio>
#include <cstring>

#include "hip.h"

static const unsigned int STREAMS = 18;
static const unsigned int ROUNDS = 3;
static const unsigned int DISPATCHES = 10;		/* in a round */
static const unsigned int WORKGROUPS = 48;		/* in a dispatch */
static const uint32_t LOOPS = 2000000 / GFX942_LOOP_NS;	/* 2 ms */
static const size_t DATA = 20000;

static unsigned int tests, failed;

static void test(bool good, const char *what)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++tests, what);
	failed += !good;
}

static void *device(size_t size)
{
	void *p;

	check(hipMalloc(&p, size), "device memory");
	return p;
}

static std::vector<uint8_t> read(const void *dev, size_t size)
{
	std::vector<uint8_t> data(size, 1);

	check(hipMemcpy(data.data(), dev, size, hipMemcpyDeviceToHost), "hipMemcpy");
	return data;
}

static bool filled(const std::vector<uint8_t> &data, size_t from, size_t to, uint8_t with)
{
	for (size_t i = from; i < to; i++)
		if (data[i] != with)
			return false;
	return true;
}

/* Sizes for each of the runtime's ways, from a byte to more than its staging buffers hold */
static void copies()
{
	static const size_t sizes[] = { 1, 37, 4096, 65536 + 3, 1 << 20, (5 << 20) + 12345 };
	bool fills = true, there = true, between = true;
	size_t most = sizes[5] + 64;
	uint8_t *a = static_cast<uint8_t *>(device(most));
	uint8_t *b = static_cast<uint8_t *>(device(most));

	for (size_t size : sizes) {
		std::vector<uint8_t> data(size), seen;
		size_t end = size + 32;

		check(hipMemset(a, 0x11, end), "hipMemset");
		check(hipMemset(a + 3, 0x22, size), "hipMemset");
		seen = read(a, end);
		fills = fills && filled(seen, 0, 3, 0x11) && filled(seen, 3, size + 3, 0x22) &&
			filled(seen, size + 3, end, 0x11);

		for (size_t i = 0; i < size; i++)
			data[i] = i * 7 + (i >> 8);
		check(hipMemcpy(a + 5, data.data(), size, hipMemcpyHostToDevice), "hipMemcpy");
		seen = read(a + 5, size);
		there = there && seen == data;

		check(hipMemset(b, 0x33, end), "hipMemset");
		check(hipMemcpy(b + 8, a + 5, size, hipMemcpyDeviceToDevice), "hipMemcpy");
		check(hipDeviceSynchronize(), "hipDeviceSynchronize");
		seen = read(b, end);
		between = between && !memcmp(&seen[8], data.data(), size) &&
			filled(seen, 0, 8, 0x33) && filled(seen, size + 8, end, 0x33);
	}
	test(fills, "hipMemset fills");
	test(there, "hipMemcpy to the GPU and back");
	test(between, "hipMemcpy within the GPU");
	check(hipFree(a), "hipFree");
	check(hipFree(b), "hipFree");
}

struct work {
	hipStream_t stream;
	hipEvent_t start, computed, end;
	transfer *data;
	uint32_t *counters;
	uint32_t *filled;
};

int main()
{
	static const enum rank ranks[] = { RANK_LOW, RANK_NORMAL, RANK_HIGH };
	unsigned int wrong = 0, unfilled = 0, early = 0, n = ROUNDS * DISPATCHES * WORKGROUPS;
	std::vector<work> works(STREAMS);
	std::vector<uint32_t> all;
	float ms, least = 0.99 * DISPATCHES * LOOPS * GFX942_LOOP_NS / 1e6;
	bool once = true;

	setvbuf(stdout, nullptr, _IOLBF, 0);
	gpu gpu;
	printf("TAP version 13\n");
	copies();
	for (unsigned int i = 0; i < STREAMS; i++) {
		work &w = works[i];

		w.stream = gpu.stream(ranks[i % 3]);
		check(hipEventCreate(&w.start), "an event");
		check(hipEventCreate(&w.computed), "an event");
		check(hipEventCreate(&w.end), "an event");
		w.data = new transfer(DATA, i);
		w.counters = counters_alloc(n);
		w.filled = static_cast<uint32_t *>(device(DATA * 4));
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (work &w : works) {
			check(hipMemsetD32Async(w.filled, 0x10001 * round, DATA, w.stream),
			      "hipMemsetD32Async");
			w.data->up(w.stream);
			check(hipEventRecord(w.start, w.stream), "hipEventRecord");
			for (unsigned int i = 0; i < DISPATCHES; i++)
				gpu.dispatch(w.stream, w.counters + (round * DISPATCHES + i) *
					     WORKGROUPS, WORKGROUPS, LOOPS);
			check(hipEventRecord(w.computed, w.stream), "hipEventRecord");
			w.data->down(w.stream);
			check(hipEventRecord(w.end, w.stream), "hipEventRecord");
		}
		for (work &w : works) {
			std::vector<uint32_t> seen;

			check(hipStreamSynchronize(w.stream), "hipStreamSynchronize");
			wrong += !w.data->right();
			check(hipEventElapsedTime(&ms, w.start, w.computed), "elapsed time");
			early += ms < least;
			check(hipEventElapsedTime(&ms, w.start, w.end), "elapsed time");
			early += ms < least;
			for (uint32_t word : counters_read(w.filled, DATA))
				if (word != 0x10001 * round) {
					unfilled++;
					break;
				}
		}
	}
	for (work &w : works) {
		std::vector<uint32_t> seen = counters_read(w.counters, n);

		all.insert(all.end(), seen.begin(), seen.end());
	}
	for (uint32_t count : all)
		once = once && count == 1;
	test(!unfilled, "hipMemsetD32Async in 18 streams");
	test(!wrong, "hipMemcpyAsync in 18 streams");
	test(!early, "events tell the time of dispatches");
	test(once, "each workgroup ran once");
	counters_print("streams", all.data(), all.size());
	for (work &w : works)
		check(hipStreamDestroy(w.stream), "hipStreamDestroy");
	printf("1..%u\n", tests);
	return failed != 0;
}
