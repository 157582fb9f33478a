/* SPDX-License-Identifier: GPL-2.0 */
/* What the HSA programs share. They use nothing but the public API of HSA. */
#ifndef ROCM_COMMON_H
#define ROCM_COMMON_H

#include <hsa/hsa.h>
#include <hsa/hsa_ext_amd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gfx942_kernels.h"
#include "program.h"

/* Nothing that the programs wait for lasts so long */
#define PATIENCE_US	(300 * 1000000ull)

/**
 * struct gpu - the first GPU, and what is needed to use it
 * @agent: the GPU
 * @cpu: the host
 * @host: memory of the host that both see
 * @kernarg: memory for kernel arguments
 * @device: memory of the GPU
 * @code: kernel object of GFX942_COUNT
 * @slots: waves that the GPU holds
 */
struct gpu {
	hsa_agent_t agent;
	hsa_agent_t cpu;
	hsa_amd_memory_pool_t host;
	hsa_amd_memory_pool_t kernarg;
	hsa_amd_memory_pool_t device;
	uint64_t code;
	unsigned int slots;
};

/**
 * struct transfer - data on its way from the host to the GPU and back
 * @gpu: the GPU
 * @in: what is sent, in host memory
 * @out: where it shall arrive
 * @dev: where it is in between, in device memory
 * @room: size of each of them
 * @round: how often it was started; each time with other bytes
 * @size: bytes of this round
 * @shift: where they begin
 * @up: 0 when they are on the GPU
 * @down: 0 when they are back
 */
struct transfer {
	struct gpu *gpu;
	uint8_t *in;
	uint8_t *out;
	uint8_t *dev;
	size_t room;
	unsigned int round;
	size_t size;
	size_t shift;
	hsa_signal_t up;
	hsa_signal_t down;
};

void check(hsa_status_t status, const char *what);

void gpu_open(struct gpu *gpu);
void *gpu_alloc(struct gpu *gpu, hsa_amd_memory_pool_t pool, size_t size);
hsa_signal_t gpu_signal(hsa_signal_value_t value);
hsa_queue_t *gpu_queue(struct gpu *gpu, uint32_t packets, hsa_amd_queue_priority_t priority);
void gpu_dispatch(struct gpu *gpu, hsa_queue_t *queue, const struct gfx942_kernarg *arg,
		  uint32_t workgroups, hsa_signal_t completion, bool barrier);
void gpu_barrier(hsa_queue_t *queue, hsa_signal_t dep);
void gpu_ring(hsa_queue_t *queue);
bool wait_below(hsa_signal_t signal, hsa_signal_value_t value, uint64_t us);
void must_get_below(hsa_signal_t signal, hsa_signal_value_t value, const char *what);

uint32_t *counters_alloc(struct gpu *gpu, size_t n);
void counters_read(struct gpu *gpu, uint32_t *to, const uint32_t *counters, size_t n);

void transfer_init(struct transfer *t, struct gpu *gpu, size_t room);
void transfer_up(struct transfer *t);
void transfer_down(struct transfer *t, hsa_signal_t after);
bool transfer_right(const struct transfer *t);
void transfer_fini(struct transfer *t);

#endif
