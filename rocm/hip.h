/* SPDX-License-Identifier: GPL-2.0 */
/* What the HIP programs share. They use nothing but the public API of HIP. */
#ifndef ROCM_HIP_H
#define ROCM_HIP_H

#include <hip/hip_runtime_api.h>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "program.h"
#include "gfx942_kernels.h"

/* What a stream is created with */
enum rank {
	RANK_NONE,	/* no priority is asked for */
	RANK_LOW,
	RANK_NORMAL,
	RANK_HIGH,
};

void check(hipError_t error, const char *what);

/* The first GPU */
struct gpu {
	hipFunction_t count;	/* GFX942_COUNT */
	unsigned int slots;	/* waves that it holds */

	gpu();
	hipStream_t stream(enum rank rank) const;
	void dispatch(hipStream_t stream, uint32_t *counters, unsigned int workgroups,
		      uint32_t loops) const;
};

/* An event; its synchronize() sleeps rather than spins */
hipEvent_t new_event();

/* Counters of workgroups in device memory, zeroed there */
uint32_t *counters_alloc(size_t n);
std::vector<uint32_t> counters_read(const uint32_t *counters, size_t n);

/* Data on its way from the host to the GPU and back. Each round has other bytes. */
class transfer {
public:
	explicit transfer(size_t room, unsigned int round = 0);
	void up(hipStream_t stream);
	void down(hipStream_t stream);
	bool right() const;	/* when it is back: is it what was sent? */
	unsigned int round;

private:
	uint8_t byte(size_t i) const;
	uint8_t *in, *out, *dev;
	size_t room, size, shift;
};

#endif
