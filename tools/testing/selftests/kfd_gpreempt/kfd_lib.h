/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small library over /dev/kfd and the render node for tests of user compute
 * queues: no runtime, no libdrm. Functions return 0 or a negative errno
 * unless they say otherwise; what they allocate is freed by kfd_close() or by
 * the end of the process.
 */
#ifndef KFD_LIB_H
#define KFD_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/kfd_ioctl.h>
#include "../../kfd/gfx942_kernels.h"

/* Far more than anything here takes, even emulated and with KASAN */
#define KFD_TIMEOUT_MS		200000

#define KFD_MAX_XCC		8

/* HSA's architected queue: packets of 64 bytes, see the HSA runtime spec */
enum {
	AQL_INVALID = 1,
	AQL_DISPATCH = 2,
	AQL_BARRIER_AND = 3,
	AQL_BARRIER_OR = 5,
};

union aql_packet {
	__u16 header;
	struct {
		__u16 header;
		__u16 setup;
		__u16 workgroup[3];
		__u16 reserved0;
		__u32 grid[3];
		__u32 private_size;
		__u32 group_size;
		__u64 kernel_object;
		__u64 kernarg;
		__u64 reserved1;
		__u64 completion;
	} dispatch;
	struct {
		__u16 header;
		__u16 reserved0;
		__u32 reserved1;
		__u64 dep[5];
		__u64 reserved2;
		__u64 completion;
	} barrier;
};

/* amd_signal_t, the firmware's view of a signal */
struct kfd_signal {
	__s64 kind;
	__s64 value;
	__u64 mailbox;		/* where the firmware writes event_id */
	__u32 event_id;
	__u32 reserved0;
	__u64 start_ts;
	__u64 end_ts;
	__u64 reserved1[2];
};

/* What a test wants of amd_queue_t; the firmware finds it from read_dispatch_id */
struct kfd_queue_desc {
	__u8 hsa_queue[40];
	__u32 caps;
	__u32 reserved0[3];
	__u64 write_dispatch_id;
	__u32 reserved1[16];
	__u64 read_dispatch_id;
	__u32 read_dispatch_id_offset;
	__u32 reserved2[29];
};

/**
 * struct kfd_gpu - a GPU node of the topology
 * @node: number in sysfs
 * @id: gpu_id
 * @render_minor: its render node
 * @domain: its PCI domain
 * @location: bus, device and function of a PCI device, or instead of the
 *	function the number of the partition
 * @gfx: gfx_target_version, 90402 for gfx942
 * @xccs: XCCs
 * @cus: compute units of one XCC
 * @wave_slots: waves that all XCCs together hold
 * @queue_slots: HQDs for user compute queues
 * @ctl_stack_size: control stack of one XCC
 * @cwsr_size: control stack and wave state of one XCC
 * @debug_size: debugger memory of one XCC
 * @svm: it shares virtual memory with the CPU
 */
struct kfd_gpu {
	unsigned int node;
	__u32 id;
	int render_minor;
	__u32 domain;
	__u32 location;
	__u32 gfx;
	__u32 xccs;
	__u32 cus;
	__u32 wave_slots;
	__u32 queue_slots;
	__u32 ctl_stack_size;
	__u32 cwsr_size;
	__u32 debug_size;
	bool svm;
};

struct kfd_mem {
	void *cpu;		/* also the GPU's virtual address */
	__u64 size;
	__u64 handle;		/* 0: of the process, SVM */
};

/**
 * struct kfd - an open KFD process with one GPU
 * @fd: /dev/kfd
 * @drm_fd: the render node
 * @gpu: the GPU
 * @doorbells: the process's doorbell pages
 * @doorbell_offset: where these are in @fd
 * @code: the GPU programs
 * @kernel_object: their addresses
 * @events: the page of signal events
 */
struct kfd {
	int fd;
	int drm_fd;
	struct kfd_gpu gpu;
	void *doorbells;
	__u64 doorbell_offset;
	struct kfd_mem code;
	__u64 kernel_object[GFX942_KERNELS];
	struct kfd_mem events;
};

/*
 * Where a queue's save area lies. Not visible to the CPU in VRAM, but there is
 * room for those of many queues; in main memory KFD's limit is near. Runtimes
 * take SVM that begins in VRAM where they can.
 */
enum kfd_cwsr {
	KFD_CWSR_GTT,
	KFD_CWSR_VRAM,
	KFD_CWSR_USERPTR,
	KFD_CWSR_SVM,
	KFD_CWSR_SVM_VRAM,
	KFD_CWSR_NONE,
};

struct kfd_queue {
	struct kfd *kfd;
	__u32 id;
	__u32 priority;
	__u32 percent;
	__u32 ring_size;	/* bytes */
	__u64 wptr;		/* packets; SDMA: bytes */
	__u64 *doorbell;
	struct kfd_queue_desc *desc;
	struct kfd_mem ring;
	struct kfd_mem ptrs;
	struct kfd_mem eop;
	struct kfd_mem cwsr;
};

/**
 * struct kfd_queue_opts - how to create a queue; zero is the default
 * @ring_size: bytes, 64 KiB
 * @priority: 0 to 15; see @has_priority
 * @has_priority: @priority counts, else 7
 * @disabled: percentage 0
 * @cwsr: where the save area lies
 * @ptrs: use this page for rptr and wptr
 * @type: KFD_IOC_QUEUE_TYPE_SDMA, or another one of them; 0 is AQL
 * @engine: of KFD_IOC_QUEUE_TYPE_SDMA_BY_ENG_ID
 */
struct kfd_queue_opts {
	__u32 ring_size;
	__u32 priority;
	bool has_priority;
	bool disabled;
	enum kfd_cwsr cwsr;
	struct kfd_mem *ptrs;
	__u32 type;
	__u32 engine;
};

/**
 * struct kfd_job - a dispatch that can be repeated
 * @kfd: its process
 * @kernel: what runs
 * @workgroups: size of the grid
 * @counters: one for each workgroup
 * @arg: its kernarg
 * @flag: what GFX942_WAIT waits for
 * @signal: counts the outstanding submissions down to 0
 * @submitted: number of submissions
 * @overlap: a submission need not wait for those before
 * @page: memory of @arg, @flag and @signal
 * @mem: memory of @counters
 */
struct kfd_job {
	struct kfd *kfd;
	enum gfx942_kernel_id kernel;
	__u32 workgroups;
	__u32 *counters;
	struct gfx942_kernarg *arg;
	__u32 *flag;
	struct kfd_signal *signal;
	__u32 submitted;
	bool overlap;
	struct kfd_mem page;
	struct kfd_mem mem;
};

struct kfd_event {
	__u32 id;
	__u32 trigger;
	__u32 slot;
};

/* What GET_QUEUE_WAVE_STATE says of each XCC, bytes */
struct kfd_wave_state {
	int ctl_stack[KFD_MAX_XCC];
	int waves[KFD_MAX_XCC];
	long long total;
};

/* A page of memory in an image */
struct kfd_image_page {
	__u64 addr;
	__u8 data[4096];
};

/**
 * struct kfd_image - a checkpoint of a process, as CRIU's plugin takes it
 * @args: sizes and addresses of the following, and the pid
 * @devices: GPUs
 * @bos: buffer objects
 * @priv: KFD's part
 * @npages: pages of memory that are not all zero
 * @pages: these
 *
 * Most of it is never touched.
 */
struct kfd_image {
	struct kfd_ioctl_criu_args args;
	struct kfd_criu_device_bucket devices[64];
	struct kfd_criu_bo_bucket bos[256];
	__u8 priv[4 << 20];
	__u32 npages;
	struct kfd_image_page pages[65536];
};

__u64 kfd_now_us(void);

int kfd_find_gpu(struct kfd_gpu *gpu, unsigned int n);
int kfd_open(struct kfd *kfd);
int kfd_open_nth(struct kfd *kfd, unsigned int n);
void kfd_close(struct kfd *kfd);
int kfd_ioctl(struct kfd *kfd, unsigned long cmd, void *arg);
int kfd_runtime_enable(struct kfd *kfd, bool enable);

int kfd_mem_alloc(struct kfd *kfd, struct kfd_mem *mem, __u64 size, __u32 flags);
int kfd_mem_userptr(struct kfd *kfd, struct kfd_mem *mem, void *addr, __u64 size);
int kfd_mem_unmap(struct kfd *kfd, struct kfd_mem *mem);
int kfd_mem_free(struct kfd *kfd, struct kfd_mem *mem);
int kfd_svm(struct kfd *kfd, __u32 op, const void *addr, __u64 size,
	    struct kfd_ioctl_svm_attribute *attrs, __u32 n);
int kfd_svm_share(struct kfd *kfd, const void *addr, __u64 size, bool vram);
int kfd_svm_alloc(struct kfd *kfd, struct kfd_mem *mem, __u64 size, bool vram);

int kfd_queue_create(struct kfd *kfd, struct kfd_queue *q, const struct kfd_queue_opts *opts);
int kfd_queue_update(struct kfd_queue *q);
int kfd_queue_set_ring(struct kfd_queue *q, struct kfd_mem *ring);
int kfd_queue_set_cu_mask(struct kfd_queue *q, const __u32 *mask, __u32 bits);
int kfd_queue_set_gws(struct kfd_queue *q, bool on);
int kfd_queue_destroy(struct kfd_queue *q);
void kfd_queue_free(struct kfd_queue *q);
int kfd_queue_wave_state(struct kfd_queue *q, struct kfd_wave_state *ws);
long long kfd_queue_rptr(const struct kfd_queue *q);
int kfd_queue_put(struct kfd_queue *q, const union aql_packet *packet);
void kfd_queue_doorbell(struct kfd_queue *q);
int kfd_queue_dispatch(struct kfd_queue *q, enum gfx942_kernel_id kernel, __u32 workgroups,
		       struct gfx942_kernarg *arg, struct kfd_signal *completion, bool barrier);
int kfd_queue_barrier(struct kfd_queue *q, int type, struct kfd_signal **deps, int n,
		      struct kfd_signal *completion);

/* Packets of SDMA 4; a doorbell is rung by kfd_sdma_doorbell() alone */
int kfd_sdma_put(struct kfd_queue *q, const __u32 *dw, unsigned int n);
int kfd_sdma_nop(struct kfd_queue *q, unsigned int n);
int kfd_sdma_copy(struct kfd_queue *q, void *dst, const void *src, __u32 size);
int kfd_sdma_fill(struct kfd_queue *q, void *dst, __u32 value, __u32 size);
int kfd_sdma_write(struct kfd_queue *q, void *dst, const __u32 *data, unsigned int n);
int kfd_sdma_fence(struct kfd_queue *q, __u32 *addr, __u32 value);
int kfd_sdma_add(struct kfd_queue *q, __u64 *addr, __u64 value);
int kfd_sdma_poll(struct kfd_queue *q, const __u32 *addr, __u32 value);
int kfd_sdma_timestamp(struct kfd_queue *q, __u64 *addr);
int kfd_sdma_trap(struct kfd_queue *q, __u32 context);
int kfd_sdma_event(struct kfd_queue *q, struct kfd_event *ev);
void kfd_sdma_doorbell(struct kfd_queue *q);

int kfd_queue_preempt(struct kfd_queue *q, __u32 type, __u32 timeout_ms);
int kfd_queue_resume(struct kfd_queue *q);
int kfd_preempt(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 type, __u32 timeout_ms);
int kfd_resume(struct kfd *kfd, pid_t pid, __u32 queue_id);
bool kfd_has_gpreempt(struct kfd *kfd);
int kfd_gpreempt_query(struct kfd *kfd, struct kfd_queue *q, struct kfd_ioctl_gpreempt_args *out);
int kfd_gpreempt_query_of(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 flags,
			  struct kfd_ioctl_gpreempt_args *out);
int kfd_gpreempt_next_queue(struct kfd *kfd, pid_t pid, __u32 queue_id, __u32 flags,
			    struct kfd_ioctl_gpreempt_args *out);
pid_t kfd_gpreempt_next_pid(struct kfd *kfd, pid_t pid);
int kfd_gpreempt_get(struct kfd *kfd, __u32 param, __u64 *value);
int kfd_gpreempt_set(struct kfd *kfd, __u32 param, __u64 value);

int kfd_job_init(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
		 __u32 workgroups, __u32 loops);
int kfd_job_init_counters(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
			  __u32 workgroups, __u32 loops, struct kfd_mem *counters);
int kfd_job_init_svm(struct kfd *kfd, struct kfd_job *job, enum gfx942_kernel_id kernel,
		     __u32 workgroups, __u32 loops, bool vram);
void kfd_job_free(struct kfd_job *job);
int kfd_job_submit(struct kfd_job *job, struct kfd_queue *q);
int kfd_job_submit_n(struct kfd_job *job, struct kfd_queue *q, unsigned int n);
__u32 kfd_job_count(const struct kfd_job *job, __u32 workgroup);
void kfd_job_release(struct kfd_job *job);
bool kfd_job_done(const struct kfd_job *job);
int kfd_job_wait(struct kfd_job *job, unsigned int timeout_ms);
long long kfd_job_sum(const struct kfd_job *job);
int kfd_job_wrong(const struct kfd_job *job, __u32 expected);

int kfd_event_create(struct kfd *kfd, struct kfd_event *ev);
void kfd_event_attach(struct kfd *kfd, struct kfd_event *ev, struct kfd_signal *signal);
int kfd_event_wait(struct kfd *kfd, struct kfd_event *ev, unsigned int timeout_ms);

int kfd_criu(struct kfd *kfd, struct kfd_ioctl_criu_args *args, __u32 op);
int kfd_criu_checkpoint(struct kfd *kfd, struct kfd_image *img);
int kfd_criu_unpause(struct kfd *kfd);
int kfd_criu_restore(struct kfd *kfd, struct kfd_image *img);
int kfd_criu_resume(struct kfd *kfd);

bool kfd_no_hws(void);
long kfd_module_param(const char *name, long missing);
int kfd_set_module_param(const char *name, long value);

bool kfd_mock_present(void);
long long kfd_mock_stat(const char *name);
long long kfd_mock_violations(void);
int kfd_mock_write(const char *file, const char *text);

#endif
