// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "gfx942_code_object.h"

#define FIELD(name, value)	((value) << HSA_PACKET_HEADER_##name)

void check(hsa_status_t status, const char *what)
{
	const char *text = "unknown error";

	if (status == HSA_STATUS_SUCCESS)
		return;
	hsa_status_string(status, &text);
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, text);
	exit(1);
}

/* The first agent of each kind */
static hsa_status_t find_agent(hsa_agent_t agent, void *data)
{
	struct gpu *gpu = data;
	hsa_device_type_t type;

	check(hsa_agent_get_info(agent, HSA_AGENT_INFO_DEVICE, &type), "an agent's type");
	if (type == HSA_DEVICE_TYPE_GPU && !gpu->agent.handle)
		gpu->agent = agent;
	if (type == HSA_DEVICE_TYPE_CPU && !gpu->cpu.handle)
		gpu->cpu = agent;
	return HSA_STATUS_SUCCESS;
}

static uint32_t pool_flags(hsa_amd_memory_pool_t pool)
{
	hsa_amd_segment_t segment;
	uint32_t flags = 0;

	check(hsa_amd_memory_pool_get_info(pool, HSA_AMD_MEMORY_POOL_INFO_SEGMENT, &segment),
	      "a memory pool's segment");
	if (segment == HSA_AMD_SEGMENT_GLOBAL)
		check(hsa_amd_memory_pool_get_info(pool, HSA_AMD_MEMORY_POOL_INFO_GLOBAL_FLAGS,
						   &flags), "a memory pool's flags");
	return flags;
}

static hsa_status_t find_host_pool(hsa_amd_memory_pool_t pool, void *data)
{
	uint32_t flags = pool_flags(pool);
	struct gpu *gpu = data;

	if (flags & HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_KERNARG_INIT)
		gpu->kernarg = pool;
	else if (flags & HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_FINE_GRAINED)
		gpu->host = pool;
	return HSA_STATUS_SUCCESS;
}

static hsa_status_t find_device_pool(hsa_amd_memory_pool_t pool, void *data)
{
	struct gpu *gpu = data;

	if (pool_flags(pool) & HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_COARSE_GRAINED)
		gpu->device = pool;
	return HSA_STATUS_SUCCESS;
}

static void load_code(struct gpu *gpu)
{
	hsa_code_object_reader_t reader;
	hsa_executable_symbol_t symbol;
	hsa_executable_t exe;

	check(hsa_code_object_reader_create_from_memory(gfx942_code_object,
							sizeof(gfx942_code_object), &reader),
	      "reading the code object");
	check(hsa_executable_create_alt(HSA_PROFILE_FULL,
					HSA_DEFAULT_FLOAT_ROUNDING_MODE_DEFAULT, NULL, &exe),
	      "creating an executable");
	check(hsa_executable_load_agent_code_object(exe, gpu->agent, reader, NULL, NULL),
	      "loading the code object");
	check(hsa_executable_freeze(exe, NULL), "freezing the executable");
	check(hsa_executable_get_symbol_by_name(exe, "count.kd", &gpu->agent, &symbol),
	      "finding the kernel");
	check(hsa_executable_symbol_get_info(symbol,
					     HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT,
					     &gpu->code), "the kernel object");
}

/* The runtime makes queues of its own when it first copies: not while times count */
static void warm_up(struct gpu *gpu)
{
	struct transfer t;

	transfer_init(&t, gpu, 4096);
	transfer_up(&t);
	transfer_down(&t, t.up);
	must_get_below(t.down, 1, "a copy does not end");
	if (!transfer_right(&t))
		die("a copy does not bring what was sent");
	transfer_fini(&t);
}

void gpu_open(struct gpu *gpu)
{
	uint32_t cus, waves;

	memset(gpu, 0, sizeof(*gpu));
	stop_at_sigterm();
	check(hsa_init(), "hsa_init");
	check(hsa_iterate_agents(find_agent, gpu), "looking for agents");
	if (!gpu->agent.handle || !gpu->cpu.handle)
		die("there is no GPU");
	check(hsa_amd_agent_iterate_memory_pools(gpu->cpu, find_host_pool, gpu),
	      "looking for host memory");
	check(hsa_amd_agent_iterate_memory_pools(gpu->agent, find_device_pool, gpu),
	      "looking for device memory");
	if (!gpu->host.handle || !gpu->kernarg.handle || !gpu->device.handle)
		die("a kind of memory is missing");
	check(hsa_agent_get_info(gpu->agent,
				 (hsa_agent_info_t)HSA_AMD_AGENT_INFO_COMPUTE_UNIT_COUNT, &cus),
	      "the number of CUs");
	check(hsa_agent_get_info(gpu->agent,
				 (hsa_agent_info_t)HSA_AMD_AGENT_INFO_MAX_WAVES_PER_CU, &waves),
	      "the number of waves");
	gpu->slots = cus * waves;
	load_code(gpu);
	warm_up(gpu);
}

/* Memory that CPU and GPU may use, if it is the host's */
void *gpu_alloc(struct gpu *gpu, hsa_amd_memory_pool_t pool, size_t size)
{
	void *p;

	check(hsa_amd_memory_pool_allocate(pool, size, 0, &p), "allocating memory");
	if (pool.handle != gpu->device.handle)
		check(hsa_amd_agents_allow_access(1, &gpu->agent, NULL, p),
		      "giving the GPU access to memory");
	return p;
}

hsa_signal_t gpu_signal(hsa_signal_value_t value)
{
	hsa_signal_t signal;

	check(hsa_signal_create(value, 0, NULL, &signal), "creating a signal");
	return signal;
}

static void on_queue_error(hsa_status_t status, hsa_queue_t *queue, void *unused)
{
	(void)queue;
	(void)unused;
	check(status, "a queue has failed");
}

hsa_queue_t *gpu_queue(struct gpu *gpu, uint32_t packets, hsa_amd_queue_priority_t priority)
{
	hsa_queue_t *queue;

	check(hsa_queue_create(gpu->agent, packets, HSA_QUEUE_TYPE_MULTI, on_queue_error, NULL,
			       UINT32_MAX, UINT32_MAX, &queue), "creating a queue");
	check(hsa_amd_queue_set_priority(queue, priority), "setting a queue's priority");
	check(hsa_amd_profiling_set_profiler_enabled(queue, 1), "asking for time stamps");
	return queue;
}

/* Room for a packet; waits for it. The header is written last, by publish() */
static void *reserve(hsa_queue_t *queue)
{
	uint64_t i = hsa_queue_add_write_index_relaxed(queue, 1);
	uint64_t give_up = now_us() + PATIENCE_US;

	while (i - hsa_queue_load_read_index_scacquire(queue) >= queue->size) {
		hsa_signal_store_screlease(queue->doorbell_signal, i - 1);
		if (now_us() > give_up)
			die("the queue stays full");
		usleep(1000);
	}
	return (hsa_kernel_dispatch_packet_t *)queue->base_address + i % queue->size;
}

static void publish(void *packet, uint16_t type, uint16_t setup, bool barrier)
{
	uint32_t word = FIELD(TYPE, type) | FIELD(BARRIER, barrier) |
		FIELD(SCACQUIRE_FENCE_SCOPE, HSA_FENCE_SCOPE_SYSTEM) |
		FIELD(SCRELEASE_FENCE_SCOPE, HSA_FENCE_SCOPE_SYSTEM) |
		(uint32_t)setup << 16;

	__atomic_store_n((uint32_t *)packet, word, __ATOMIC_RELEASE);
}

/* GFX942_COUNT; gpu_ring() makes the GPU see it. @completion may be 0 */
void gpu_dispatch(struct gpu *gpu, hsa_queue_t *queue, const struct gfx942_kernarg *arg,
		  uint32_t workgroups, hsa_signal_t completion, bool barrier)
{
	hsa_kernel_dispatch_packet_t *p = reserve(queue);

	p->workgroup_size_x = 64;
	p->workgroup_size_y = 1;
	p->workgroup_size_z = 1;
	p->grid_size_x = 64 * workgroups;
	p->grid_size_y = 1;
	p->grid_size_z = 1;
	p->private_segment_size = 0;
	p->group_segment_size = 0;
	p->kernel_object = gpu->code;
	p->kernarg_address = (void *)arg;
	p->completion_signal = completion;
	publish(p, HSA_PACKET_TYPE_KERNEL_DISPATCH,
		1 << HSA_KERNEL_DISPATCH_PACKET_SETUP_DIMENSIONS, barrier);
}

/* What follows with a barrier bit waits for @dep to be 0 */
void gpu_barrier(hsa_queue_t *queue, hsa_signal_t dep)
{
	hsa_barrier_and_packet_t *p = reserve(queue);

	memset((uint32_t *)p + 1, 0, sizeof(*p) - 4);
	p->dep_signal[0] = dep;
	publish(p, HSA_PACKET_TYPE_BARRIER_AND, 0, true);
}

void gpu_ring(hsa_queue_t *queue)
{
	hsa_signal_store_screlease(queue->doorbell_signal,
				   hsa_queue_load_write_index_relaxed(queue) - 1);
}

/* Return: is it below @value, now or within that time? */
bool wait_below(hsa_signal_t signal, hsa_signal_value_t value, uint64_t us)
{
	static uint64_t hz;

	if (!hz)
		check(hsa_system_get_info(HSA_SYSTEM_INFO_TIMESTAMP_FREQUENCY, &hz),
		      "the clock's frequency");
	return hsa_signal_wait_scacquire(signal, HSA_SIGNAL_CONDITION_LT, value,
					 us * (hz / 1000) / 1000,
					 HSA_WAIT_STATE_BLOCKED) < value;
}

void must_get_below(hsa_signal_t signal, hsa_signal_value_t value, const char *what)
{
	uint64_t give_up = now_us() + PATIENCE_US;

	while (!wait_below(signal, value, 1000000))
		if (now_us() > give_up)
			die(what);
}

/* In device memory, zeroed there */
uint32_t *counters_alloc(struct gpu *gpu, size_t n)
{
	uint32_t *counters = gpu_alloc(gpu, gpu->device, n * sizeof(*counters));

	check(hsa_amd_memory_fill(counters, 0, n), "zeroing the counters");
	return counters;
}

/* To host memory */
void counters_read(struct gpu *gpu, uint32_t *to, const uint32_t *counters, size_t n)
{
	hsa_signal_t done = gpu_signal(1);

	check(hsa_amd_memory_async_copy(to, gpu->cpu, counters, gpu->agent, n * sizeof(*to),
					0, NULL, done), "copying the counters");
	must_get_below(done, 1, "the copy of the counters does not end");
	check(hsa_signal_destroy(done), "destroying a signal");
}

void transfer_init(struct transfer *t, struct gpu *gpu, size_t room)
{
	memset(t, 0, sizeof(*t));
	t->gpu = gpu;
	t->room = room;
	t->in = gpu_alloc(gpu, gpu->host, room);
	t->out = gpu_alloc(gpu, gpu->host, room);
	t->dev = gpu_alloc(gpu, gpu->device, room);
	t->up = gpu_signal(0);
	t->down = gpu_signal(0);
}

/* A byte that says where it belongs and when */
static uint8_t byte_of(const struct transfer *t, size_t i)
{
	return (i ^ i >> 8 ^ i >> 16) + 31 * t->round;
}

#define GUARD	0xa5

/*
 * Sizes and offsets change from round to round, so that runtimes have to use all
 * their ways to copy. What lies around the bytes must stay as it is.
 */
void transfer_up(struct transfer *t)
{
	size_t i;

	t->round++;
	t->shift = t->round % 3 ? 0 : t->round % 64;
	t->size = t->room - t->shift - (t->round % 2 ? 0 : t->round * 5 % 64);
	for (i = 0; i < t->size; i++)
		t->in[i] = byte_of(t, i);
	memset(t->out, GUARD, t->room);
	hsa_signal_store_screlease(t->up, 1);
	hsa_signal_store_screlease(t->down, 1);
	check(hsa_amd_memory_async_copy(t->dev + t->shift, t->gpu->agent, t->in, t->gpu->cpu,
					t->size, 0, NULL, t->up), "a copy to the GPU");
}

/* Back, once @after is 0 */
void transfer_down(struct transfer *t, hsa_signal_t after)
{
	check(hsa_amd_memory_async_copy(t->out, t->gpu->cpu, t->dev + t->shift, t->gpu->agent,
					t->size, 1, &after, t->down), "a copy to the host");
}

/* When it is back: is it what was sent? */
bool transfer_right(const struct transfer *t)
{
	size_t i;

	for (i = 0; i < t->room; i++)
		if (t->out[i] != (i < t->size ? byte_of(t, i) : GUARD))
			return false;
	return true;
}

void transfer_fini(struct transfer *t)
{
	check(hsa_amd_memory_pool_free(t->in), "freeing memory");
	check(hsa_amd_memory_pool_free(t->out), "freeing memory");
	check(hsa_amd_memory_pool_free(t->dev), "freeing memory");
	check(hsa_signal_destroy(t->up), "destroying a signal");
	check(hsa_signal_destroy(t->down), "destroying a signal");
}
