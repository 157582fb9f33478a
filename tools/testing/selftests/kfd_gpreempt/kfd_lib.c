// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/kfd_sysfs.h>

#include "kfd_lib.h"

#define ARRAY_LEN(a)		(sizeof(a) / sizeof((a)[0]))
#define GPU_PAGE		4096u
#define DOORBELL_SLICE		8192u	/* 1024 queues, 8 bytes each */
#define EVENT_PAGE		(KFD_SIGNAL_EVENT_LIMIT * 8)
#define TOPOLOGY		"/sys/class/kfd/kfd/topology/nodes"
#define DEBUGFS			"/sys/kernel/debug"

#define MEM_FLAGS		(KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE | \
				 KFD_IOC_ALLOC_MEM_FLAGS_EXECUTABLE | \
				 KFD_IOC_ALLOC_MEM_FLAGS_COHERENT | \
				 KFD_IOC_ALLOC_MEM_FLAGS_NO_SUBSTITUTE)

static_assert(sizeof(union aql_packet) == 64, "AQL packet");
static_assert(sizeof(struct kfd_signal) == 64, "amd_signal_t");
static_assert(offsetof(struct kfd_queue_desc, write_dispatch_id) == 56, "amd_queue_t");
static_assert(offsetof(struct kfd_queue_desc, read_dispatch_id) == 128, "amd_queue_t");

static __u64 align_up(__u64 x, __u64 a)
{
	return (x + a - 1) / a * a;
}

__u64 kfd_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (done < size - 1) {
		n = read(fd, buf + done, size - 1 - done);
		if (n <= 0)
			break;
		done += n;
	}
	buf[done] = 0;
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* The number behind a word at the start of a line: "name 1" or "name: 1" */
static long long find_number(const char *text, const char *name, long long missing)
{
	size_t len = strlen(name);
	const char *p = text;

	while (p && *p) {
		if (!strncmp(p, name, len) && strchr(" \t:=", p[len])) {
			p += len;
			return strtoll(p + strspn(p, " \t:="), NULL, 0);
		}
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return missing;
}

static bool read_gpu(unsigned int node, struct kfd_gpu *gpu)
{
	long long simds, per_cu, per_engine, arrays, waves;
	char path[128], text[8192];

	snprintf(path, sizeof(path), TOPOLOGY "/%u/gpu_id", node);
	if (read_text(path, text, sizeof(text)))
		return false;
	memset(gpu, 0, sizeof(*gpu));
	gpu->node = node;
	gpu->id = strtoul(text, NULL, 0);
	if (!gpu->id)
		return false;

	snprintf(path, sizeof(path), TOPOLOGY "/%u/properties", node);
	if (read_text(path, text, sizeof(text)))
		return false;
	gpu->render_minor = find_number(text, "drm_render_minor", -1);
	gpu->domain = find_number(text, "domain", 0);
	gpu->location = find_number(text, "location_id", 0);
	gpu->gfx = find_number(text, "gfx_target_version", 0);
	gpu->svm = find_number(text, "capability", 0) & HSA_CAP_SVMAPI_SUPPORTED;
	gpu->xccs = find_number(text, "num_xcc", 1);
	gpu->queue_slots = find_number(text, "num_cp_queues", 24);
	simds = find_number(text, "simd_count", 0);
	per_cu = find_number(text, "simd_per_cu", 4);
	arrays = find_number(text, "array_count", 1);
	per_engine = find_number(text, "simd_arrays_per_engine", 1);
	if (!simds || !per_cu || !per_engine || !gpu->xccs || gpu->xccs > KFD_MAX_XCC)
		return false;
	gpu->cus = simds / per_cu / gpu->xccs;
	gpu->wave_slots = simds * find_number(text, "max_waves_per_simd", 8);

	/*
	 * As kfd_queue_ctx_save_restore_size() does for gfx9. Its array_count
	 * is of one XCC, that of sysfs of all.
	 */
	waves = arrays / gpu->xccs / per_engine * 512;
	if (waves > gpu->cus * 40)
		waves = gpu->cus * 40;
	gpu->debug_size = align_up(waves * 32, 64);
	gpu->ctl_stack_size = align_up(40 + waves * 8 + 8, GPU_PAGE);
	/* VGPRs of gfx90a and gfx94x, SGPRs, LDS, HWREGs */
	gpu->cwsr_size = gpu->ctl_stack_size +
			 align_up(gpu->cus * (0x80000 + 0x4000 + 0x10000 + 0x1000), GPU_PAGE);
	return true;
}

/**
 * kfd_find_gpu() - find a GPU, or a partition of one, that runs the test programs
 * @gpu: filled
 * @n: how many of them to pass over
 *
 * Return: 0 or -ENODEV.
 */
int kfd_find_gpu(struct kfd_gpu *gpu, unsigned int n)
{
	unsigned int node;

	for (node = 0; node < 64; node++)
		if (read_gpu(node, gpu) && gpu->gfx / 100 * 100 == 90400 && !n--)
			return 0;
	return -ENODEV;
}

/*
 * Returns a negative errno, 0, or what the debugger's ioctls count; KFD_TRACE in
 * the environment prints each call
 */
int kfd_ioctl(struct kfd *kfd, unsigned long cmd, void *arg)
{
	int r;

	do {
		r = ioctl(kfd->fd, cmd, arg);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	if (getenv("KFD_TRACE"))
		fprintf(stderr, "# ioctl 0x%02lx: %s\n", cmd & 0xff, r < 0 ? strerror(errno) : "0");
	return r < 0 ? -errno : r;
}

static int map_to_gpu(struct kfd *kfd, __u64 handle)
{
	struct kfd_ioctl_map_memory_to_gpu_args args = {
		.handle = handle,
		.device_ids_array_ptr = (uintptr_t)&kfd->gpu.id,
		.n_devices = 1,
	};

	return kfd_ioctl(kfd, AMDKFD_IOC_MAP_MEMORY_TO_GPU, &args);
}

/**
 * kfd_mem_alloc() - allocate memory, at the same address for CPU and GPU
 * @kfd: the process
 * @mem: filled
 * @size: bytes, rounded up to pages
 * @flags: KFD_IOC_ALLOC_MEM_FLAGS_GTT or _VRAM; the CPU cannot reach VRAM
 *	without _PUBLIC
 *
 * Return: 0 or a negative errno.
 */
int kfd_mem_alloc(struct kfd *kfd, struct kfd_mem *mem, __u64 size, __u32 flags)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args args = { 0 };
	bool visible = !(flags & KFD_IOC_ALLOC_MEM_FLAGS_VRAM) ||
		       (flags & KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC);
	int r;

	size = align_up(size, GPU_PAGE);
	memset(mem, 0, sizeof(*mem));
	mem->size = size;
	mem->cpu = mmap(NULL, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->cpu == MAP_FAILED)
		return -errno;

	args.va_addr = (uintptr_t)mem->cpu;
	args.size = size;
	args.gpu_id = kfd->gpu.id;
	args.flags = flags | MEM_FLAGS;
	r = kfd_ioctl(kfd, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &args);
	if (r)
		goto err_unmap;
	mem->handle = args.handle;

	if (visible && mmap(mem->cpu, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			    kfd->drm_fd, args.mmap_offset) == MAP_FAILED) {
		r = -errno;
		goto err_free;
	}
	r = map_to_gpu(kfd, mem->handle);
	if (r)
		goto err_free;
	return 0;

err_free:
	kfd_ioctl(kfd, AMDKFD_IOC_FREE_MEMORY_OF_GPU,
		  &(struct kfd_ioctl_free_memory_of_gpu_args){ mem->handle });
err_unmap:
	munmap(mem->cpu, size);
	memset(mem, 0, sizeof(*mem));
	return r;
}

/**
 * kfd_mem_userptr() - map memory of this process to the GPU
 * @kfd: the process
 * @mem: filled
 * @addr: page aligned; NULL: new anonymous memory
 * @size: bytes
 *
 * Return: 0 or a negative errno.
 */
int kfd_mem_userptr(struct kfd *kfd, struct kfd_mem *mem, void *addr, __u64 size)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args args = { 0 };
	bool own = !addr;
	int r;

	memset(mem, 0, sizeof(*mem));
	size = align_up(size, GPU_PAGE);
	if (own) {
		addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (addr == MAP_FAILED)
			return -errno;
	}
	args.va_addr = (uintptr_t)addr;
	args.mmap_offset = (uintptr_t)addr;
	args.size = size;
	args.gpu_id = kfd->gpu.id;
	args.flags = KFD_IOC_ALLOC_MEM_FLAGS_USERPTR | MEM_FLAGS;
	r = kfd_ioctl(kfd, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &args);
	if (!r) {
		mem->handle = args.handle;
		r = map_to_gpu(kfd, mem->handle);
		if (r)
			kfd_ioctl(kfd, AMDKFD_IOC_FREE_MEMORY_OF_GPU,
				  &(struct kfd_ioctl_free_memory_of_gpu_args){ mem->handle });
	}
	if (r) {
		if (own)
			munmap(addr, size);
		return r;
	}
	mem->cpu = addr;
	mem->size = size;
	return 0;
}

/* Unmap memory from the GPU alone: -EBUSY while a queue needs it */
int kfd_mem_unmap(struct kfd *kfd, struct kfd_mem *mem)
{
	struct kfd_ioctl_unmap_memory_from_gpu_args args = {
		.handle = mem->handle,
		.device_ids_array_ptr = (uintptr_t)&kfd->gpu.id,
		.n_devices = 1,
	};

	return kfd_ioctl(kfd, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, &args);
}

/**
 * kfd_mem_free() - unmap and free memory, on the CPU too
 * @kfd: the process
 * @mem: may be empty
 *
 * Return: 0, or the error of the first step that failed.
 */
int kfd_mem_free(struct kfd *kfd, struct kfd_mem *mem)
{
	struct kfd_ioctl_free_memory_of_gpu_args free = { .handle = mem->handle };
	int r, r2;

	if (!mem->cpu)
		return 0;
	r = mem->handle ? kfd_mem_unmap(kfd, mem) : 0;
	r2 = mem->handle ? kfd_ioctl(kfd, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &free) : 0;
	munmap(mem->cpu, mem->size);
	memset(mem, 0, sizeof(*mem));
	return r ? r : r2;
}

/**
 * kfd_svm() - set or get attributes of shared virtual memory
 * @kfd: the process
 * @op: KFD_IOCTL_SVM_OP_SET_ATTR or _GET_ATTR
 * @addr: start of the range
 * @size: bytes
 * @attrs: attributes, read or filled
 * @n: how many
 *
 * Return: 0 or a negative errno.
 */
int kfd_svm(struct kfd *kfd, __u32 op, const void *addr, __u64 size,
	    struct kfd_ioctl_svm_attribute *attrs, __u32 n)
{
	struct {
		struct kfd_ioctl_svm_args head;
		struct kfd_ioctl_svm_attribute attrs[16];
	} args = {
		.head = {
			.start_addr = (uintptr_t)addr,
			.size = size,
			.op = op,
			.nattr = n,
		},
	};
	size_t bytes = n * sizeof(*attrs);
	int r;

	if (n > ARRAY_LEN(args.attrs))
		return -EINVAL;
	memcpy(args.attrs, attrs, bytes);
	/* The attributes that follow count as part of the argument */
	r = kfd_ioctl(kfd, AMDKFD_IOC_SVM + (bytes << _IOC_SIZESHIFT), &args);
	memcpy(attrs, args.attrs, bytes);
	return r;
}

/**
 * kfd_svm_share() - let the GPU have access to memory of this process
 * @kfd: the process
 * @addr: page aligned
 * @size: bytes, whole pages
 * @vram: move it to VRAM now, if there is room
 *
 * The GPU has it always mapped, as a queue's save area wants it.
 *
 * Return: 0 or a negative errno.
 */
int kfd_svm_share(struct kfd *kfd, const void *addr, __u64 size, bool vram)
{
	struct kfd_ioctl_svm_attribute attrs[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, vram ? kfd->gpu.id : 0 },
		{ KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS |
			KFD_IOCTL_SVM_FLAG_GPU_EXEC | KFD_IOCTL_SVM_FLAG_COHERENT |
			KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED },
		{ KFD_IOCTL_SVM_ATTR_ACCESS, kfd->gpu.id },
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, 0xff },
	};

	return kfd_svm(kfd, KFD_IOCTL_SVM_OP_SET_ATTR, addr, size, attrs, ARRAY_LEN(attrs));
}

/**
 * kfd_svm_alloc() - allocate anonymous memory and share it with the GPU
 * @kfd: the process
 * @mem: filled
 * @size: bytes, rounded up to pages
 * @vram: see kfd_svm_share()
 *
 * Return: 0 or a negative errno.
 */
int kfd_svm_alloc(struct kfd *kfd, struct kfd_mem *mem, __u64 size, bool vram)
{
	int r;

	memset(mem, 0, sizeof(*mem));
	size = align_up(size, GPU_PAGE);
	mem->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem->cpu == MAP_FAILED) {
		mem->cpu = NULL;
		return -errno;
	}
	mem->size = size;
	r = kfd_svm_share(kfd, mem->cpu, size, vram);
	if (r) {
		munmap(mem->cpu, size);
		memset(mem, 0, sizeof(*mem));
	}
	return r;
}

static int load_code(struct kfd *kfd)
{
	size_t size = 0;
	char *p;
	int i, r;

	for (i = 0; i < GFX942_KERNELS; i++)
		size += align_up(gfx942_kernels[i].object_size, 256);
	/* Instruction prefetch reads on behind the last one */
	r = kfd_mem_alloc(kfd, &kfd->code, size + GPU_PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
	if (r)
		return r;
	p = kfd->code.cpu;
	for (i = 0; i < GFX942_KERNELS; i++) {
		memcpy(p, gfx942_kernels[i].object, gfx942_kernels[i].object_size);
		kfd->kernel_object[i] = (uintptr_t)p;
		p += align_up(gfx942_kernels[i].object_size, 256);
	}
	return 0;
}

static int open_render(const struct kfd_gpu *gpu)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/dri/renderD%d", gpu->render_minor);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * kfd_open() - open the GPU that KFD_GPU in the environment numbers, or the first
 * @kfd: filled
 *
 * Return: see kfd_open_nth().
 */
int kfd_open(struct kfd *kfd)
{
	const char *n = getenv("KFD_GPU");

	return kfd_open_nth(kfd, n ? strtoul(n, NULL, 0) : 0);
}

/**
 * kfd_open_nth() - open /dev/kfd and a GPU, acquire its VM, load programs
 * @kfd: filled
 * @n: which of the GPUs that run the test programs, see kfd_find_gpu()
 *
 * Several of them, open in one process, are one process to KFD.
 *
 * Return: 0; -ENODEV without KFD or without that GPU, or another errno.
 */
int kfd_open_nth(struct kfd *kfd, unsigned int n)
{
	struct kfd_process_device_apertures apertures[64];
	struct kfd_ioctl_get_process_apertures_new_args ap = { 0 };
	struct kfd_ioctl_set_memory_policy_args policy = {
		.default_policy = KFD_IOC_CACHE_POLICY_NONCOHERENT,
		.alternate_policy = KFD_IOC_CACHE_POLICY_COHERENT,
	};
	struct kfd_ioctl_get_version_args version = { 0 };
	struct kfd_ioctl_acquire_vm_args vm = { 0 };
	unsigned int i;
	int r;

	memset(kfd, 0, sizeof(*kfd));
	kfd->fd = -1;
	kfd->drm_fd = -1;
	r = kfd_find_gpu(&kfd->gpu, n);
	if (r)
		return r;
	kfd->fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (kfd->fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	r = kfd_ioctl(kfd, AMDKFD_IOC_GET_VERSION, &version);
	if (r)
		goto err;
	if (version.major_version != 1) {
		r = -ENODEV;
		goto err;
	}
	kfd->drm_fd = open_render(&kfd->gpu);
	if (kfd->drm_fd < 0) {
		r = kfd->drm_fd;
		goto err;
	}
	vm.drm_fd = kfd->drm_fd;
	vm.gpu_id = kfd->gpu.id;
	r = kfd_ioctl(kfd, AMDKFD_IOC_ACQUIRE_VM, &vm);
	if (r)
		goto err;

	/* First the number, which must not be larger than there are */
	r = kfd_ioctl(kfd, AMDKFD_IOC_GET_PROCESS_APERTURES_NEW, &ap);
	if (r)
		goto err;
	if (ap.num_of_nodes > ARRAY_LEN(apertures))
		ap.num_of_nodes = ARRAY_LEN(apertures);
	ap.kfd_process_device_apertures_ptr = (uintptr_t)apertures;
	r = kfd_ioctl(kfd, AMDKFD_IOC_GET_PROCESS_APERTURES_NEW, &ap);
	if (r)
		goto err;
	for (i = 0; i < ap.num_of_nodes; i++)
		if (apertures[i].gpu_id == kfd->gpu.id)
			break;
	if (i == ap.num_of_nodes) {
		r = -ENODEV;
		goto err;
	}
	policy.gpu_id = kfd->gpu.id;
	r = kfd_ioctl(kfd, AMDKFD_IOC_SET_MEMORY_POLICY, &policy);
	if (r)
		goto err;
	r = load_code(kfd);
	if (r)
		goto err;
	return 0;
err:
	kfd_close(kfd);
	return r;
}

/**
 * kfd_close() - close the files
 * @kfd: the process
 *
 * KFD frees the queues and memory of a process at its end, not here.
 */
void kfd_close(struct kfd *kfd)
{
	if (kfd->doorbells)
		munmap(kfd->doorbells, DOORBELL_SLICE);
	if (kfd->drm_fd >= 0)
		close(kfd->drm_fd);
	if (kfd->fd >= 0)
		close(kfd->fd);
	kfd->doorbells = NULL;
	kfd->fd = -1;
	kfd->drm_fd = -1;
}

/**
 * kfd_runtime_enable() - tell KFD that there is a runtime, and may be a debugger
 * @kfd: the process, without queues
 * @enable: it comes, else it goes
 *
 * Return: 0 or a negative errno.
 */
int kfd_runtime_enable(struct kfd *kfd, bool enable)
{
	struct kfd_ioctl_runtime_enable_args args = {
		.mode_mask = enable ? KFD_RUNTIME_ENABLE_MODE_ENABLE_MASK |
				      KFD_RUNTIME_ENABLE_MODE_TTMP_SAVE_MASK : 0,
	};

	return kfd_ioctl(kfd, AMDKFD_IOC_RUNTIME_ENABLE, &args);
}

static __u64 cwsr_total(const struct kfd *kfd)
{
	return align_up((__u64)(kfd->gpu.cwsr_size + kfd->gpu.debug_size) * kfd->gpu.xccs,
			GPU_PAGE);
}

static int alloc_cwsr(struct kfd *kfd, struct kfd_mem *mem, enum kfd_cwsr where)
{
	struct kfd_context_save_area_header *header;
	__u32 i;
	int r;

	switch (where) {
	case KFD_CWSR_NONE:
		return 0;
	case KFD_CWSR_VRAM:
		return kfd_mem_alloc(kfd, mem, cwsr_total(kfd), KFD_IOC_ALLOC_MEM_FLAGS_VRAM);
	case KFD_CWSR_USERPTR:
		r = kfd_mem_userptr(kfd, mem, NULL, cwsr_total(kfd));
		break;
	case KFD_CWSR_SVM:
	case KFD_CWSR_SVM_VRAM:
		r = kfd_svm_alloc(kfd, mem, cwsr_total(kfd), false);
		break;
	default:
		r = kfd_mem_alloc(kfd, mem, cwsr_total(kfd), KFD_IOC_ALLOC_MEM_FLAGS_GTT);
	}
	if (r)
		return r;
	for (i = 0; i < kfd->gpu.xccs; i++) {
		header = (void *)((char *)mem->cpu + (__u64)i * kfd->gpu.cwsr_size);
		header->debug_offset = (kfd->gpu.xccs - i) * kfd->gpu.cwsr_size +
				       i * kfd->gpu.debug_size;
		header->debug_size = kfd->gpu.debug_size;
	}
	/* From here on the CPU does not touch it */
	return where == KFD_CWSR_SVM_VRAM ? kfd_svm_share(kfd, mem->cpu, mem->size, true) : 0;
}

static void clear_ring(struct kfd_mem *ring)
{
	union aql_packet *p = ring->cpu;
	__u64 i;

	for (i = 0; i < ring->size / sizeof(*p); i++)
		p[i].header = AQL_INVALID;
}

/**
 * kfd_queue_create() - create an AQL compute queue
 * @kfd: the process
 * @q: filled
 * @opts: NULL for the defaults
 *
 * Return: 0 or a negative errno.
 */
int kfd_queue_create(struct kfd *kfd, struct kfd_queue *q, const struct kfd_queue_opts *opts)
{
	static const struct kfd_queue_opts defaults;
	struct kfd_ioctl_create_queue_args args = { 0 };
	__u64 offset;
	int r;

	if (!opts)
		opts = &defaults;
	memset(q, 0, sizeof(*q));
	q->kfd = kfd;
	q->ring_size = opts->ring_size ? opts->ring_size : 65536;
	q->priority = opts->has_priority ? opts->priority : 7;
	q->percent = opts->disabled ? 0 : 100;

	r = kfd_mem_alloc(kfd, &q->ring, q->ring_size, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
	if (r)
		return r;
	if (!opts->type)
		clear_ring(&q->ring);
	if (opts->ptrs)
		q->ptrs = *opts->ptrs;
	else
		r = kfd_mem_alloc(kfd, &q->ptrs, GPU_PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
	if (r)
		goto err;
	if (!opts->type) {
		r = kfd_mem_alloc(kfd, &q->eop, GPU_PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
		if (r)
			goto err;
		r = alloc_cwsr(kfd, &q->cwsr, opts->cwsr);
		if (r)
			goto err;
	}

	q->desc = q->ptrs.cpu;
	q->desc->read_dispatch_id_offset = offsetof(struct kfd_queue_desc, read_dispatch_id);

	args.ring_base_address = (uintptr_t)q->ring.cpu;
	args.ring_size = q->ring_size;
	args.write_pointer_address = (uintptr_t)&q->desc->write_dispatch_id;
	args.read_pointer_address = (uintptr_t)&q->desc->read_dispatch_id;
	args.gpu_id = kfd->gpu.id;
	args.queue_type = opts->type ? opts->type : KFD_IOC_QUEUE_TYPE_COMPUTE_AQL;
	args.sdma_engine_id = opts->engine;
	args.queue_percentage = q->percent;
	args.queue_priority = q->priority;
	if (!opts->type) {
		args.eop_buffer_address = (uintptr_t)q->eop.cpu;
		args.eop_buffer_size = GPU_PAGE;
		args.ctx_save_restore_address = (uintptr_t)q->cwsr.cpu;
		args.ctx_save_restore_size = kfd->gpu.cwsr_size;
		args.ctl_stack_size = kfd->gpu.ctl_stack_size;
	}
	r = kfd_ioctl(kfd, AMDKFD_IOC_CREATE_QUEUE, &args);
	if (r)
		goto err;
	q->id = args.queue_id;

	offset = args.doorbell_offset & (DOORBELL_SLICE - 1);
	if (!kfd->doorbells) {
		void *p = mmap(NULL, DOORBELL_SLICE, PROT_READ | PROT_WRITE, MAP_SHARED,
			       kfd->fd, args.doorbell_offset - offset);

		if (p == MAP_FAILED) {
			r = -errno;
			kfd_queue_destroy(q);
			goto err;
		}
		kfd->doorbells = p;
		kfd->doorbell_offset = args.doorbell_offset - offset;
	}
	q->doorbell = (__u64 *)((char *)kfd->doorbells + offset);
	return 0;
err:
	if (opts->ptrs)
		memset(&q->ptrs, 0, sizeof(q->ptrs));
	kfd_queue_free(q);
	return r;
}

/**
 * kfd_queue_update() - tell KFD the queue's ring, priority and percentage
 * @q: the queue, its members changed
 *
 * Return: 0 or a negative errno.
 */
int kfd_queue_update(struct kfd_queue *q)
{
	struct kfd_ioctl_update_queue_args args = {
		.ring_base_address = (uintptr_t)q->ring.cpu,
		.queue_id = q->id,
		.ring_size = q->ring_size,
		.queue_percentage = q->percent,
		.queue_priority = q->priority,
	};

	return kfd_ioctl(q->kfd, AMDKFD_IOC_UPDATE_QUEUE, &args);
}

/**
 * kfd_queue_set_ring() - give a queue another ring
 * @q: the queue
 * @ring: the new ring; the old one is returned in it
 *
 * Packets that have not been read keep their numbers.
 *
 * Return: 0 or a negative errno.
 */
int kfd_queue_set_ring(struct kfd_queue *q, struct kfd_mem *ring)
{
	union aql_packet *from = q->ring.cpu, *to = ring->cpu;
	__u32 old_size = q->ring_size;
	struct kfd_mem old = q->ring;
	long long i;
	int r;

	clear_ring(ring);
	for (i = kfd_queue_rptr(q); i < (long long)q->wptr; i++)
		to[i % (ring->size / 64)] = from[i % (old_size / 64)];
	q->ring = *ring;
	q->ring_size = ring->size;
	r = kfd_queue_update(q);
	if (r) {
		q->ring = old;
		q->ring_size = old_size;
		return r;
	}
	*ring = old;
	return 0;
}

int kfd_queue_set_cu_mask(struct kfd_queue *q, const __u32 *mask, __u32 bits)
{
	struct kfd_ioctl_set_cu_mask_args args = {
		.queue_id = q->id,
		.num_cu_mask = bits,
		.cu_mask_ptr = (uintptr_t)mask,
	};

	return kfd_ioctl(q->kfd, AMDKFD_IOC_SET_CU_MASK, &args);
}

/* Global wave sync: all waves of the queue run at once, or none */
int kfd_queue_set_gws(struct kfd_queue *q, bool on)
{
	struct kfd_ioctl_alloc_queue_gws_args args = { .queue_id = q->id, .num_gws = on };

	return kfd_ioctl(q->kfd, AMDKFD_IOC_ALLOC_QUEUE_GWS, &args);
}

int kfd_queue_destroy(struct kfd_queue *q)
{
	struct kfd_ioctl_destroy_queue_args args = { .queue_id = q->id };

	return kfd_ioctl(q->kfd, AMDKFD_IOC_DESTROY_QUEUE, &args);
}

/* Frees the memory of a destroyed queue */
void kfd_queue_free(struct kfd_queue *q)
{
	kfd_mem_free(q->kfd, &q->ring);
	kfd_mem_free(q->kfd, &q->ptrs);
	kfd_mem_free(q->kfd, &q->eop);
	kfd_mem_free(q->kfd, &q->cwsr);
}

/**
 * kfd_queue_wave_state() - how much the last save of an inactive queue holds
 * @q: the queue
 * @ws: filled
 *
 * Return: 0; -EINVAL when the queue is active; or another errno.
 */
int kfd_queue_wave_state(struct kfd_queue *q, struct kfd_wave_state *ws)
{
	struct kfd_gpu *gpu = &q->kfd->gpu;
	struct kfd_ioctl_get_queue_wave_state_args args = { .queue_id = q->id };
	size_t size = (size_t)gpu->cwsr_size * gpu->xccs;
	__u32 i;
	char *copy;
	int r;

	memset(ws, 0, sizeof(*ws));
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED)
		return -errno;
	args.ctl_stack_address = (uintptr_t)copy;
	r = kfd_ioctl(q->kfd, AMDKFD_IOC_GET_QUEUE_WAVE_STATE, &args);
	for (i = 0; !r && i < gpu->xccs; i++) {
		/* Starts with control stack offset, size, wave state offset, size */
		const __u32 *header = (const void *)(copy + (size_t)i * gpu->cwsr_size);

		ws->ctl_stack[i] = header[1];
		ws->waves[i] = header[3];
		ws->total += header[3];
	}
	munmap(copy, size);
	return r;
}

long long kfd_queue_rptr(const struct kfd_queue *q)
{
	return __atomic_load_n(&q->desc->read_dispatch_id, __ATOMIC_ACQUIRE);
}

/**
 * kfd_queue_put() - write a packet into the ring, without the doorbell
 * @q: the queue
 * @packet: the packet
 *
 * Return: 0, or -ETIME when the ring is full and stays so.
 */
int kfd_queue_put(struct kfd_queue *q, const union aql_packet *packet)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	__u32 packets = q->ring_size / sizeof(*packet);
	union aql_packet body = *packet;
	union aql_packet *slot;

	if (q->wptr - (__u64)kfd_queue_rptr(q) >= packets)
		kfd_queue_doorbell(q);
	while (q->wptr - (__u64)kfd_queue_rptr(q) >= packets) {
		if (kfd_now_us() > end)
			return -ETIME;
		usleep(200);
	}
	slot = (union aql_packet *)q->ring.cpu + q->wptr % packets;
	body.header = AQL_INVALID;
	*slot = body;
	__atomic_store_n(&slot->header, packet->header, __ATOMIC_RELEASE);
	q->wptr++;
	__atomic_store_n(&q->desc->write_dispatch_id, q->wptr, __ATOMIC_RELEASE);
	return 0;
}

void kfd_queue_doorbell(struct kfd_queue *q)
{
	/* HSA: the number of the last packet, not that of the next */
	__atomic_store_n(q->doorbell, q->wptr - 1, __ATOMIC_RELEASE);
}

/* Acquire and release of system scope */
static __u16 aql_header(int type, bool barrier)
{
	return type | barrier << 8 | 2 << 9 | 2 << 11;
}

/**
 * kfd_queue_dispatch() - write a dispatch into the ring, without the doorbell
 * @q: the queue
 * @kernel: what runs
 * @workgroups: size of the grid
 * @arg: its kernarg, in memory of the GPU
 * @completion: NULL, or the signal to count down at the end
 * @barrier: begin when all packets before have ended
 *
 * Return: 0, or -ETIME when the ring is full and stays so.
 */
int kfd_queue_dispatch(struct kfd_queue *q, enum gfx942_kernel_id kernel, __u32 workgroups,
		       struct gfx942_kernarg *arg, struct kfd_signal *completion, bool barrier)
{
	union aql_packet p = {
		.dispatch = {
			.header = aql_header(AQL_DISPATCH, barrier),
			.setup = 1,
			.workgroup = { 64, 1, 1 },
			.grid = { workgroups * 64, 1, 1 },
			.kernel_object = q->kfd->kernel_object[kernel],
			.kernarg = (uintptr_t)arg,
			.completion = (uintptr_t)completion,
		},
	};

	return kfd_queue_put(q, &p);
}

/**
 * kfd_queue_barrier() - submit a barrier packet
 * @q: the queue
 * @type: AQL_BARRIER_AND or AQL_BARRIER_OR
 * @deps: signals to wait for
 * @n: how many, at most 5
 * @completion: NULL, or the signal to count down at the end
 *
 * Return: 0, or -ETIME when the ring is full and stays so.
 */
int kfd_queue_barrier(struct kfd_queue *q, int type, struct kfd_signal **deps, int n,
		      struct kfd_signal *completion)
{
	union aql_packet p = { .barrier = { .header = aql_header(type, true) } };
	int i, r;

	for (i = 0; i < n && i < 5; i++)
		p.barrier.dep[i] = (uintptr_t)deps[i];
	p.barrier.completion = (uintptr_t)completion;
	r = kfd_queue_put(q, &p);
	if (!r)
		kfd_queue_doorbell(q);
	return r;
}

int kfd_preempt(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 type, __u32 timeout_ms)
{
	struct kfd_ioctl_preempt_queue_args args = {
		.queue_id = queue_id,
		.preempt_type = type,
		.timeout_ms = timeout_ms,
		.pid = pid,
	};

	return kfd_ioctl(kfd, AMDKFD_IOC_PREEMPT_QUEUE, &args);
}

int kfd_resume(struct kfd *kfd, pid_t pid, __u32 queue_id)
{
	struct kfd_ioctl_resume_queue_args args = { .queue_id = queue_id, .pid = pid };

	return kfd_ioctl(kfd, AMDKFD_IOC_RESUME_QUEUE, &args);
}

/* SDMA: vega10_sdma_pkt_open.h of amdgpu has the packets */

enum {
	SDMA_NOP = 0,
	SDMA_COPY = 1,
	SDMA_WRITE = 2,
	SDMA_FENCE = 5,
	SDMA_TRAP = 6,
	SDMA_POLL = 8 | 3 << 28 | 1u << 31,	/* until equal, in memory */
	SDMA_ADD64 = 10 | 0x2f << 25,
	SDMA_FILL = 11 | 2u << 30,		/* dwords */
	SDMA_TIMESTAMP = 13 | 2 << 8,		/* of the device */
};

#define LO(p)	((__u32)(uintptr_t)(p))
#define HI(p)	((__u32)((__u64)(uintptr_t)(p) >> 32))

/**
 * kfd_sdma_put - append a packet, once there is room for it
 * @q: an SDMA queue
 * @dw: the packet
 * @n: its dwords
 *
 * Return: 0, or -ETIME.
 */
int kfd_sdma_put(struct kfd_queue *q, const __u32 *dw, unsigned int n)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	__u32 *ring = q->ring.cpu;
	unsigned int i;

	if (q->wptr + 4 * n - kfd_queue_rptr(q) > q->ring_size)
		kfd_sdma_doorbell(q);
	while (q->wptr + 4 * n - kfd_queue_rptr(q) > q->ring_size) {
		if (kfd_now_us() > end)
			return -ETIME;
		usleep(200);
	}
	for (i = 0; i < n; i++)
		ring[(q->wptr / 4 + i) % (q->ring_size / 4)] = dw[i];
	q->wptr += 4 * n;
	return 0;
}

int kfd_sdma_nop(struct kfd_queue *q, unsigned int n)
{
	__u32 dw[1024] = { SDMA_NOP | (n - 1) << 16 };

	assert(n && n <= ARRAY_LEN(dw));
	return kfd_sdma_put(q, dw, n);
}

int kfd_sdma_copy(struct kfd_queue *q, void *dst, const void *src, __u32 size)
{
	__u32 dw[] = { SDMA_COPY, size - 1, 0, LO(src), HI(src), LO(dst), HI(dst) };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_fill(struct kfd_queue *q, void *dst, __u32 value, __u32 size)
{
	__u32 dw[] = { SDMA_FILL, LO(dst), HI(dst), value, size - 4 };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_write(struct kfd_queue *q, void *dst, const __u32 *data, unsigned int n)
{
	__u32 dw[1024] = { SDMA_WRITE, LO(dst), HI(dst), n - 1 };

	assert(n && n + 4 <= ARRAY_LEN(dw));
	memcpy(dw + 4, data, 4 * n);
	return kfd_sdma_put(q, dw, n + 4);
}

int kfd_sdma_fence(struct kfd_queue *q, __u32 *addr, __u32 value)
{
	__u32 dw[] = { SDMA_FENCE, LO(addr), HI(addr), value };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_add(struct kfd_queue *q, __u64 *addr, __u64 value)
{
	__u32 dw[] = { SDMA_ADD64, LO(addr), HI(addr), (__u32)value, value >> 32, 0, 0, 0 };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_poll(struct kfd_queue *q, const __u32 *addr, __u32 value)
{
	__u32 dw[] = { SDMA_POLL, LO(addr), HI(addr), value, ~0u, 0xfff << 16 | 4 };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_timestamp(struct kfd_queue *q, __u64 *addr)
{
	__u32 dw[] = { SDMA_TIMESTAMP, LO(addr), HI(addr) };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

int kfd_sdma_trap(struct kfd_queue *q, __u32 context)
{
	__u32 dw[] = { SDMA_TRAP, context };

	return kfd_sdma_put(q, dw, ARRAY_LEN(dw));
}

/* Signal an event, as runtimes do: the slot first, then the interrupt */
int kfd_sdma_event(struct kfd_queue *q, struct kfd_event *ev)
{
	int r = kfd_sdma_fence(q, (__u32 *)((__u64 *)q->kfd->events.cpu + ev->slot), ev->trigger);

	return r ? r : kfd_sdma_trap(q, ev->trigger);
}

void kfd_sdma_doorbell(struct kfd_queue *q)
{
	__atomic_store_n(&q->desc->write_dispatch_id, q->wptr, __ATOMIC_RELEASE);
	__atomic_store_n(q->doorbell, q->wptr, __ATOMIC_RELEASE);
}

int kfd_queue_preempt(struct kfd_queue *q, __u32 type, __u32 timeout_ms)
{
	return kfd_preempt(q->kfd, 0, q->id, type, timeout_ms);
}

int kfd_queue_resume(struct kfd_queue *q)
{
	return kfd_resume(q->kfd, 0, q->id);
}

/**
 * kfd_gpreempt_query() - read counters, and the state of a queue
 * @kfd: the process
 * @q: the queue, or NULL for the device alone
 * @out: filled
 *
 * Return: 0 or a negative errno.
 */
int kfd_gpreempt_query(struct kfd *kfd, struct kfd_queue *q, struct kfd_ioctl_gpreempt_args *out)
{
	memset(out, 0, sizeof(*out));
	out->op = KFD_IOC_GPREEMPT_OP_QUERY;
	out->gpu_id = kfd->gpu.id;
	out->queue_id = q ? q->id : KFD_IOC_GPREEMPT_NO_QUEUE;
	return kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, out);
}

/**
 * kfd_gpreempt_query_of() - read counters, and the state of anybody's queue
 * @kfd: the process that asks
 * @pid: the process that owns the queue, 0 for @kfd
 * @queue_id: the queue
 * @flags: KFD_IOC_GPREEMPT_READ_*
 * @out: filled
 *
 * Return: 0 or a negative errno.
 */
int kfd_gpreempt_query_of(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 flags,
			  struct kfd_ioctl_gpreempt_args *out)
{
	memset(out, 0, sizeof(*out));
	out->op = KFD_IOC_GPREEMPT_OP_QUERY;
	out->gpu_id = kfd->gpu.id;
	out->pid = pid;
	out->queue_id = queue_id;
	out->flags = flags;
	return kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, out);
}

/**
 * kfd_gpreempt_next_queue() - find a compute queue of a process
 * @kfd: the process that asks
 * @pid: the process that owns the queue, 0 for @kfd
 * @queue_id: where to begin
 * @flags: KFD_IOC_GPREEMPT_READ_*
 * @out: filled: the queue with this ID, or else the next
 *
 * Return: 0 or a negative errno, -ENOENT at the end.
 */
int kfd_gpreempt_next_queue(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 flags,
			    struct kfd_ioctl_gpreempt_args *out)
{
	memset(out, 0, sizeof(*out));
	out->op = KFD_IOC_GPREEMPT_OP_NEXT_QUEUE;
	out->gpu_id = kfd->gpu.id;
	out->pid = pid;
	out->queue_id = queue_id;
	out->flags = flags;
	return kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, out);
}

/**
 * kfd_gpreempt_next_pid() - find a process with queues
 * @kfd: the process that asks
 * @pid: the one before, 0 for the first
 *
 * Return: its pid or a negative errno, -ENOENT at the end.
 */
pid_t kfd_gpreempt_next_pid(struct kfd *kfd, pid_t pid)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_NEXT_PID,
		.gpu_id = kfd->gpu.id,
		.pid = pid,
	};
	int r = kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &args);

	return r ? r : (pid_t)args.pid;
}

bool kfd_has_gpreempt(struct kfd *kfd)
{
	struct kfd_ioctl_gpreempt_args args;

	return !kfd_gpreempt_query(kfd, NULL, &args);
}

int kfd_gpreempt_get(struct kfd *kfd, __u32 param, __u64 *value)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_GET,
		.gpu_id = kfd->gpu.id,
		.param = param,
	};
	int r = kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &args);

	*value = args.value;
	return r;
}

int kfd_gpreempt_set(struct kfd *kfd, __u32 param, __u64 value)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_SET,
		.gpu_id = kfd->gpu.id,
		.param = param,
		.value = value,
	};

	return kfd_ioctl(kfd, AMDKFD_IOC_GPREEMPT, &args);
}

static void job_fill(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
		     __u32 workgroups, __u32 loops, __u32 *counters)
{
	char *p = job->page.cpu;

	memset(p, 0, GPU_PAGE);
	job->kfd = kfd;
	job->kernel = kernel;
	job->workgroups = workgroups;
	job->arg = (void *)p;
	job->signal = (void *)(p + 64);
	job->flag = (void *)(p + 128);
	job->signal->kind = 1;
	job->counters = counters;
	job->arg->counters = (uintptr_t)counters;
	job->arg->flag = (uintptr_t)job->flag;
	job->arg->loops = loops;
}

/**
 * kfd_job_init_counters() - prepare a dispatch that counts in given memory
 * @kfd: the process
 * @job: filled
 * @kernel: what runs
 * @workgroups: size of the grid
 * @loops: how long a workgroup runs, in GFX942_LOOP_NS
 * @counters: zeroed memory; NULL: allocated here
 *
 * Return: 0 or a negative errno.
 */
int kfd_job_init_counters(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
			  __u32 workgroups, __u32 loops, struct kfd_mem *counters)
{
	int r;

	memset(job, 0, sizeof(*job));
	r = kfd_mem_alloc(kfd, &job->page, GPU_PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
	if (r)
		return r;
	if (!counters) {
		r = kfd_mem_alloc(kfd, &job->mem, workgroups * sizeof(__u32),
				  KFD_IOC_ALLOC_MEM_FLAGS_GTT);
		if (r) {
			kfd_mem_free(kfd, &job->page);
			return r;
		}
		counters = &job->mem;
		memset(counters->cpu, 0, counters->size);
	}
	job_fill(kfd, job, kernel, workgroups, loops, counters->cpu);
	return 0;
}

int kfd_job_init(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
		 __u32 workgroups, __u32 loops)
{
	return kfd_job_init_counters(kfd, job, kernel, workgroups, loops, NULL);
}

/**
 * kfd_job_init_svm() - kfd_job_init() in memory of the process alone
 * @kfd: the process
 * @job: filled
 * @kernel: what runs
 * @workgroups: size of the grid
 * @loops: length of a workgroup
 * @vram: counters begin in VRAM
 *
 * Return: 0 or a negative errno.
 */
int kfd_job_init_svm(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
		     __u32 workgroups, __u32 loops, bool vram)
{
	int r;

	memset(job, 0, sizeof(*job));
	r = kfd_svm_alloc(kfd, &job->page, GPU_PAGE, false);
	if (r)
		return r;
	r = kfd_svm_alloc(kfd, &job->mem, workgroups * sizeof(__u32), vram);
	if (r) {
		kfd_mem_free(kfd, &job->page);
		return r;
	}
	job_fill(kfd, job, kernel, workgroups, loops, job->mem.cpu);
	return 0;
}

void kfd_job_free(struct kfd_job *job)
{
	kfd_mem_free(job->kfd, &job->page);
	kfd_mem_free(job->kfd, &job->mem);
}

/**
 * kfd_job_submit_n() - dispatch several times, ring the doorbell at the end
 * @job: the job
 * @q: the queue
 * @n: how often
 *
 * Return: 0, or -ETIME when the ring is full and stays so.
 */
int kfd_job_submit_n(struct kfd_job *job, struct kfd_queue *q, unsigned int n)
{
	unsigned int i;
	int r = 0;

	__atomic_add_fetch(&job->signal->value, n, __ATOMIC_SEQ_CST);
	job->submitted += n;
	for (i = 0; i < n && !r; i++)
		r = kfd_queue_dispatch(q, job->kernel, job->workgroups, job->arg, job->signal,
				       !job->overlap);
	kfd_queue_doorbell(q);
	return r;
}

int kfd_job_submit(struct kfd_job *job, struct kfd_queue *q)
{
	return kfd_job_submit_n(job, q, 1);
}

__u32 kfd_job_count(const struct kfd_job *job, __u32 workgroup)
{
	return __atomic_load_n(&job->counters[workgroup], __ATOMIC_ACQUIRE);
}

/* Let the workgroups of GFX942_WAIT go on */
void kfd_job_release(struct kfd_job *job)
{
	__atomic_store_n(job->flag, 1, __ATOMIC_RELEASE);
}

bool kfd_job_done(const struct kfd_job *job)
{
	return !__atomic_load_n(&job->signal->value, __ATOMIC_ACQUIRE);
}

int kfd_job_wait(struct kfd_job *job, unsigned int timeout_ms)
{
	__u64 end = kfd_now_us() + timeout_ms * 1000ull;

	while (!kfd_job_done(job)) {
		if (kfd_now_us() > end)
			return -ETIME;
		usleep(200);
	}
	return 0;
}

long long kfd_job_sum(const struct kfd_job *job)
{
	long long sum = 0;
	__u32 i;

	for (i = 0; i < job->workgroups; i++)
		sum += kfd_job_count(job, i);
	return sum;
}

/* The number of workgroups that have not run just as often as expected */
int kfd_job_wrong(const struct kfd_job *job, __u32 expected)
{
	int wrong = 0;
	__u32 i;

	for (i = 0; i < job->workgroups; i++)
		if (kfd_job_count(job, i) != expected && !wrong++)
			fprintf(stderr, "# workgroup %u ran %u times, not %u\n",
				i, kfd_job_count(job, i), expected);
	return wrong;
}

/**
 * kfd_event_create() - create a signal event
 * @kfd: the process
 * @ev: filled
 *
 * Return: 0 or a negative errno.
 */
int kfd_event_create(struct kfd *kfd, struct kfd_event *ev)
{
	struct kfd_ioctl_create_event_args args = {
		.event_type = KFD_IOC_EVENT_SIGNAL,
		.auto_reset = 1,
	};
	int r;

	if (!kfd->events.cpu) {
		r = kfd_mem_alloc(kfd, &kfd->events, EVENT_PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT);
		if (r)
			return r;
		/* A GPU with memory of its own takes the page as a handle */
		args.event_page_offset = kfd->events.handle;
	}
	r = kfd_ioctl(kfd, AMDKFD_IOC_CREATE_EVENT, &args);
	if (r)
		return r;
	ev->id = args.event_id;
	ev->trigger = args.event_trigger_data;
	ev->slot = args.event_slot_index;
	return 0;
}

void kfd_event_attach(struct kfd *kfd, struct kfd_event *ev, struct kfd_signal *signal)
{
	signal->mailbox = (uintptr_t)((__u64 *)kfd->events.cpu + ev->slot);
	signal->event_id = ev->trigger;
}

/* Return: 0, -ETIME, or a negative errno */
int kfd_event_wait(struct kfd *kfd, struct kfd_event *ev, unsigned int timeout_ms)
{
	struct kfd_event_data data = { .event_id = ev->id };
	struct kfd_ioctl_wait_events_args args = {
		.events_ptr = (uintptr_t)&data,
		.num_events = 1,
		.wait_for_all = 1,
		.timeout = timeout_ms,
	};
	int r = kfd_ioctl(kfd, AMDKFD_IOC_WAIT_EVENTS, &args);

	if (r)
		return r;
	return args.wait_result == KFD_IOC_WAIT_RESULT_COMPLETE ? 0 : -ETIME;
}

/* One AMDKFD_IOC_CRIU_OP; @args is both in and out */
int kfd_criu(struct kfd *kfd, struct kfd_ioctl_criu_args *args, __u32 op)
{
	args->op = op;
	return kfd_ioctl(kfd, AMDKFD_IOC_CRIU_OP, args);
}

/* The files are CRIU's way to the memory. Here the processor maps all of it */
static void close_dmabufs(struct kfd_image *img)
{
	__u32 i;

	for (i = 0; i < img->args.num_bos; i++)
		if (img->bos[i].dmabuf_fd != KFD_INVALID_FD)
			close(img->bos[i].dmabuf_fd);
}

static int save_pages(struct kfd_image *img, const struct kfd_criu_bo_bucket *bo)
{
	static const __u8 zero[GPU_PAGE];
	struct kfd_image_page *page;
	__u64 a;

	if ((bo->alloc_flags & KFD_IOC_ALLOC_MEM_FLAGS_VRAM) &&
	    !(bo->alloc_flags & KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC))
		return -EOPNOTSUPP;
	for (a = bo->addr; a < bo->addr + bo->size; a += GPU_PAGE) {
		if (!memcmp((void *)(uintptr_t)a, zero, GPU_PAGE))
			continue;
		if (img->npages == ARRAY_LEN(img->pages))
			return -ENOSPC;
		page = &img->pages[img->npages++];
		page->addr = a;
		memcpy(page->data, (void *)(uintptr_t)a, GPU_PAGE);
	}
	return 0;
}

/**
 * kfd_criu_checkpoint() - pause the process and make an image of it
 * @kfd: the process
 * @img: filled
 *
 * Its queues stay off the hardware until kfd_criu_unpause().
 *
 * Return: 0; -EACCES without CAP_CHECKPOINT_RESTORE; or another errno.
 */
int kfd_criu_checkpoint(struct kfd *kfd, struct kfd_image *img)
{
	struct kfd_ioctl_criu_args *args = &img->args;
	__u32 i;
	int r;

	memset(args, 0, sizeof(*args));
	r = kfd_criu(kfd, args, KFD_CRIU_OP_PROCESS_INFO);
	if (r)
		return r;
	if (args->num_devices > ARRAY_LEN(img->devices) || args->num_bos > ARRAY_LEN(img->bos) ||
	    args->priv_data_size > sizeof(img->priv))
		return -ENOSPC;
	args->devices = (uintptr_t)img->devices;
	args->bos = (uintptr_t)img->bos;
	args->priv_data = (uintptr_t)img->priv;
	r = kfd_criu(kfd, args, KFD_CRIU_OP_CHECKPOINT);
	if (r)
		return r;
	close_dmabufs(img);
	img->npages = 0;
	for (i = 0; i < args->num_bos && !r; i++)
		r = save_pages(img, &img->bos[i]);
	return r;
}

int kfd_criu_unpause(struct kfd *kfd)
{
	struct kfd_ioctl_criu_args args = { 0 };

	return kfd_criu(kfd, &args, KFD_CRIU_OP_UNPAUSE);
}

static int restore_map(int drm_fd, const struct kfd_criu_bo_bucket *bo)
{
	void *addr = (void *)(uintptr_t)bo->addr;
	void *p;

	if (bo->alloc_flags & KFD_IOC_ALLOC_MEM_FLAGS_USERPTR)
		p = mmap(addr, bo->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	else
		p = mmap(addr, bo->size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED_NOREPLACE, drm_fd, bo->restored_offset);
	return p == MAP_FAILED ? -errno : 0;
}

/**
 * kfd_criu_restore() - become the process of an image
 * @kfd: that process as it was; its files are replaced by new ones
 * @img: the image; its buckets are written to
 *
 * The caller must not have opened /dev/kfd before, and have nothing where the
 * other process had its memory. All queues are off the hardware until
 * kfd_criu_resume().
 *
 * Return: 0 or a negative errno; then kfd_close() frees the files.
 */
int kfd_criu_restore(struct kfd *kfd, struct kfd_image *img)
{
	struct kfd_gpu gpu;
	unsigned int node;
	__u32 i;
	int r;

	kfd->drm_fd = -1;
	kfd->fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (kfd->fd < 0)
		return -errno;
	for (i = 0; i < img->args.num_devices; i++) {
		for (node = 0; node < 64; node++)
			if (read_gpu(node, &gpu) && gpu.id == img->devices[i].actual_gpu_id)
				break;
		r = node < 64 ? open_render(&gpu) : -ENODEV;
		if (r < 0)
			return r;
		img->devices[i].drm_fd = r;
		if (gpu.id == kfd->gpu.id)
			kfd->drm_fd = r;
	}
	r = kfd_criu(kfd, &img->args, KFD_CRIU_OP_RESTORE);
	if (r)
		return r;
	close_dmabufs(img);
	for (i = 0; i < img->args.num_bos && !r; i++)
		r = restore_map(kfd->drm_fd, &img->bos[i]);
	if (r)
		return r;
	for (i = 0; i < img->npages; i++)
		memcpy((void *)(uintptr_t)img->pages[i].addr, img->pages[i].data, GPU_PAGE);
	if (kfd->doorbells && mmap(kfd->doorbells, DOORBELL_SLICE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, kfd->fd,
				   kfd->doorbell_offset) == MAP_FAILED)
		return -errno;
	return 0;
}

/* Let the restored queues of this process run */
int kfd_criu_resume(struct kfd *kfd)
{
	struct kfd_ioctl_criu_args args = { .pid = getpid() };

	return kfd_criu(kfd, &args, KFD_CRIU_OP_RESUME);
}

/* A parameter of amdgpu as a number, or what to take when it is not there */
long kfd_module_param(const char *name, long missing)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), "/sys/module/amdgpu/parameters/%s", name);
	if (read_text(path, text, sizeof(text)))
		return missing;
	if (text[0] == 'Y' || text[0] == 'N')
		return text[0] == 'Y';
	return strtol(text, NULL, 0);
}

int kfd_set_module_param(const char *name, long value)
{
	char path[128], text[24];
	int fd, n, r = 0;

	snprintf(path, sizeof(path), "/sys/module/amdgpu/parameters/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%ld", value);
	if (write(fd, text, n) != n)
		r = -errno;
	close(fd);
	return r;
}

bool kfd_no_hws(void)
{
	return kfd_module_param("sched_policy", 0) == 2;
}

/* The mock GPU's directory in debugfs: the one that counts violations */
static const char *mock_dir(void)
{
	static const char * const parents[] = {
		DEBUGFS, DEBUGFS "/kfd_mock", DEBUGFS "/dri"
	};
	static char found[300];
	struct dirent *e;
	unsigned int i;
	char path[320];
	DIR *d;

	for (i = 0; i < ARRAY_LEN(parents) && !found[0]; i++) {
		d = opendir(parents[i]);
		if (!d)
			continue;
		while ((e = readdir(d))) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%.200s/violations", parents[i], e->d_name);
			if (access(path, R_OK))
				continue;
			snprintf(found, sizeof(found), "%s/%.200s", parents[i], e->d_name);
			break;
		}
		closedir(d);
	}
	return found[0] ? found : NULL;
}

bool kfd_mock_present(void)
{
	return mock_dir();
}

static int mock_read(const char *file, char *text, size_t size)
{
	const char *dir = mock_dir();
	char path[400];

	if (!dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return read_text(path, text, size);
}

/* A counter of the mock GPU, -1 without it */
long long kfd_mock_stat(const char *name)
{
	char text[16384];

	if (mock_read("stats", text, sizeof(text)))
		return -1;
	return find_number(text, name, -1);
}

/* How many invariants the mock GPU has seen broken, -1 without it */
long long kfd_mock_violations(void)
{
	char text[16384];

	if (mock_read("violations", text, sizeof(text)))
		return -1;
	return strtoll(text, NULL, 0);
}

int kfd_mock_write(const char *file, const char *text)
{
	const char *dir = mock_dir();
	char path[400];
	int fd, r = 0;

	if (!dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}
