// SPDX-License-Identifier: GPL-2.0
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "hip.h"
#include "gfx942_code_object.h"

void check(hipError_t error, const char *what)
{
	if (error != hipSuccess)
		die((std::string(what) + ": " + hipGetErrorString(error)).c_str());
}

gpu::gpu()
{
	hipDeviceProp_t prop;
	hipModule_t module;

	check(hipInit(0), "hipInit");
	check(hipSetDevice(0), "there is no GPU");
	check(hipSetDeviceFlags(hipDeviceScheduleBlockingSync), "hipSetDeviceFlags");
	check(hipGetDeviceProperties(&prop, 0), "hipGetDeviceProperties");
	slots = prop.multiProcessorCount * prop.maxThreadsPerMultiProcessor / prop.warpSize;
	check(hipModuleLoadData(&module, gfx942_code_object), "loading the code object");
	check(hipModuleGetFunction(&count, module, "count"), "finding the kernel");
}

hipStream_t gpu::stream(enum rank rank) const
{
	hipStream_t stream;
	int least, greatest;

	if (rank == RANK_NONE) {
		check(hipStreamCreateWithFlags(&stream, hipStreamNonBlocking), "a stream");
		return stream;
	}
	check(hipDeviceGetStreamPriorityRange(&least, &greatest), "the range of priorities");
	if (least <= greatest)
		die("streams have no priorities");
	check(hipStreamCreateWithPriority(&stream, hipStreamNonBlocking,
					  rank == RANK_LOW ? least :
					  rank == RANK_HIGH ? greatest : 0), "a stream");
	return stream;
}

/* One counter for each workgroup */
void gpu::dispatch(hipStream_t stream, uint32_t *counters, unsigned int workgroups,
		   uint32_t loops) const
{
	struct gfx942_kernarg arg = {};
	size_t size = sizeof(arg);
	void *config[] = {
		HIP_LAUNCH_PARAM_BUFFER_POINTER, &arg,
		HIP_LAUNCH_PARAM_BUFFER_SIZE, &size, HIP_LAUNCH_PARAM_END,
	};

	arg.counters = reinterpret_cast<uintptr_t>(counters);
	arg.loops = loops;
	check(hipModuleLaunchKernel(count, workgroups, 1, 1, 64, 1, 1, 0, stream, nullptr, config),
	      "a dispatch");
}

hipEvent_t new_event()
{
	hipEvent_t event;

	check(hipEventCreateWithFlags(&event, hipEventBlockingSync), "an event");
	return event;
}

uint32_t *counters_alloc(size_t n)
{
	void *p;

	check(hipMalloc(&p, n * sizeof(uint32_t)), "device memory");
	check(hipMemset(p, 0, n * sizeof(uint32_t)), "zeroing the counters");
	/* Streams that do not block do not wait for it */
	check(hipDeviceSynchronize(), "zeroing the counters");
	return static_cast<uint32_t *>(p);
}

std::vector<uint32_t> counters_read(const uint32_t *counters, size_t n)
{
	std::vector<uint32_t> seen(n, 0xdead);

	if (n)
		check(hipMemcpy(seen.data(), counters, n * sizeof(uint32_t),
				hipMemcpyDeviceToHost), "reading the counters");
	return seen;
}

static const uint8_t GUARD = 0xa5;

transfer::transfer(size_t room_, unsigned int round_) : round(round_), room(room_), size(0), shift(0)
{
	void *p[3];

	check(hipHostMalloc(&p[0], room, 0), "host memory");
	check(hipHostMalloc(&p[1], room, 0), "host memory");
	check(hipMalloc(&p[2], room), "device memory");
	in = static_cast<uint8_t *>(p[0]);
	out = static_cast<uint8_t *>(p[1]);
	dev = static_cast<uint8_t *>(p[2]);
}

/* It says where it belongs and when */
uint8_t transfer::byte(size_t i) const
{
	return (i ^ i >> 8 ^ i >> 16) + 31 * round;
}

/*
 * Sizes and offsets change from round to round, so that the runtime has to use all
 * its ways to copy. What lies around the bytes must stay as it is.
 */
void transfer::up(hipStream_t stream)
{
	round++;
	shift = round % 3 ? 0 : round % 64;
	size = room - shift - (round % 2 ? 0 : round * 5 % 64);
	for (size_t i = 0; i < size; i++)
		in[i] = byte(i);
	memset(out, GUARD, room);
	check(hipMemcpyAsync(dev + shift, in, size, hipMemcpyHostToDevice, stream),
	      "a copy to the GPU");
}

void transfer::down(hipStream_t stream)
{
	check(hipMemcpyAsync(out, dev + shift, size, hipMemcpyDeviceToHost, stream),
	      "a copy to the host");
}

bool transfer::right() const
{
	for (size_t i = 0; i < room; i++)
		if (out[i] != (i < size ? byte(i) : GUARD))
			return false;
	return true;
}
