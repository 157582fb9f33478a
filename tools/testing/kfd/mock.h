/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mock GPU for amdkfd: what the host side (PCI, DRM, memory, the amdgpu
 * functions that amdkfd calls) and the hardware side (registers, firmware,
 * waves) know of each other.
 *
 * Host side: everything that stands for the amdgpu driver. Runs in the
 * caller's context.
 * Hardware side: everything that stands for silicon and firmware. Runs on one
 * kernel thread, or for a register access in the caller's context, and always
 * under mock_hw.lock. It sees memory only through mock_mem_*(), by GPU virtual
 * address, and knows nothing of kfd structures.
 */
#ifndef KFD_MOCK_H
#define KFD_MOCK_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include "amdgpu.h"
#include "amdgpu_amdkfd.h"

#define MOCK_MAX_XCC	8

struct mock_hw;		/* private to the hardware side */
struct mock_host;	/* private to the host side */

/**
 * struct mock_vm - one GPU address space, as the page tables describe it
 * @va: struct mock_mapping, by GPU page number
 * @lock: protects @va and what its mappings say; taken inside mock_hw.lock,
 *	nothing but allocation without reclaim happens under it
 * @pd_base: what stands for the page directory's address: the key by which
 *	MAP_PROCESS and the VMID registers name this address space
 * @md: its device
 * @node: in mock_device.vms
 * @ptes: page-table entries of SVM, by GPU page number; written under their own
 *	lock
 * @notifier: of the process that may have SVM
 *
 * Everything is written by the host side. The hardware only ever sees it
 * through mock_mem_*(), under mock_hw.lock, so taking and dropping that lock
 * after an entry was erased (mock_hw_sync()) is what a TLB flush is on
 * hardware.
 */
struct mock_vm {
	struct rb_root_cached va;
	spinlock_t lock;		/* va and its mappings */
	u64 pd_base;
	struct mock_device *md;
	struct list_head node;
	struct xarray ptes;
	struct mmu_notifier notifier;
};

/**
 * struct mock_device - a mock GPU
 * @adev: the amdgpu device that amdkfd sees
 * @hw: the hardware side
 * @doorbell: CPU mapping of the doorbell aperture (BAR2), plain memory
 * @doorbell_size: bytes
 * @vms: all mock_vm
 * @vms_lock: protects @vms; taken inside mock_hw.lock
 * @gart: the address space of the kernel driver (VMID 0)
 * @debugfs: directory for counters and faults
 * @num_xcc: XCCs
 * @num_parts: partitions, of equally many XCCs each, the first ones first
 * @cu_per_xcc: compute units of one XCC
 * @waves_per_cu: wave slots of one compute unit
 * @host: private to the host side
 * @violations: how often mock_violation() was called
 */
struct mock_device {
	struct amdgpu_device *adev;
	struct mock_hw *hw;
	void *doorbell;
	size_t doorbell_size;
	struct list_head vms;
	spinlock_t vms_lock;		/* vms */
	struct mock_vm gart;
	struct dentry *debugfs;
	unsigned int num_xcc;
	unsigned int num_parts;
	unsigned int cu_per_xcc;
	unsigned int waves_per_cu;
	struct mock_host *host;
	atomic_t violations;
};

struct mock_device *mock_from_adev(struct amdgpu_device *adev);

/* Host side, for the hardware. None sleeps, none allocates with reclaim. */

/* The address space whose pd_base this is, or NULL. Under mock_hw.lock. */
struct mock_vm *mock_vm_find(struct mock_device *md, u64 pd_base);

/*
 * Copy from or to GPU virtual memory. vm: &md->gart or a process's. 0, or
 * -EFAULT where nothing is mapped (a page that is lazily backed is made
 * present, zeroed). An access may cross pages.
 */
int mock_mem_read(struct mock_vm *vm, u64 va, void *dst, size_t len);
int mock_mem_write(struct mock_vm *vm, u64 va, const void *src, size_t len);
/* Naturally aligned, atomic against the CPU; *old gets the value before. */
int mock_mem_add32(struct mock_vm *vm, u64 va, u32 add, u32 *old);
int mock_mem_add64(struct mock_vm *vm, u64 va, u64 add, u64 *old);
/* Single 32/64-bit loads, as a device polls a flag, pointer or signal. */
int mock_mem_read32(struct mock_vm *vm, u64 va, u32 *val);
int mock_mem_read64(struct mock_vm *vm, u64 va, u64 *val);

/* Hand one interrupt ring entry (8 dwords, soc15 layout) to the driver. */
void mock_irq(struct mock_device *md, const u32 *entry);

/* The doorbell at a dword index of the BAR, 64 bits wide. */
u64 mock_doorbell_read(struct mock_device *md, u32 dword);
/* The same, and MOCK_DOORBELL_NONE from then on until it is rung again. */
u64 mock_doorbell_take(struct mock_device *md, u32 dword);
#define MOCK_DOORBELL_NONE	(~0ULL)

/*
 * An invariant does not hold: the driver (or the mock) is wrong. Printed once
 * for each call site's format, counted in debugfs "violations".
 */
__printf(2, 3) void mock_violation(struct mock_device *md, const char *fmt, ...);

/* Hardware side, for the host. */

/*
 * The host links the real amdgpu_amdkfd.o, amdgpu_amdkfd_gpuvm.o, _fence.o,
 * _gfx_v9.o, _gc_9_4_3.o, _aldebaran.o, amdgpu_hmm.o and amdgpu_sync.o.
 * hw_regs.c provides what lies below: amdgpu_device_rreg/wreg/xcc_rreg/
 * xcc_wreg(), soc15_grbm_select(), amdgpu_ring_alloc/commit() of the KIQ; and
 * mock_hw_init() sets adev->reg_offset[], gfx.kiq[].ring,
 * gfx.funcs->select_se_sh, gfxhub.funcs and mmhub.funcs (setup_vm_pt_regs). The
 * host has initialised ring_lock and set kiq[].pmf, whose kiq_unmap_queues()
 * ends in mock_hw_unmap_hiq() (atomic context), and provides
 * amdgpu_ring_test_helper().
 * When mock_hw_init() runs, adev and md are complete, amdkfd is not probed.
 */
int mock_hw_init(struct mock_device *md);
void mock_hw_fini(struct mock_device *md);
/* After this returns the hardware uses no translation it looked up before. */
void mock_hw_sync(struct mock_device *md);
/* Whole-GPU reset: all HQDs, waves and firmware state are gone. */
void mock_hw_reset(struct mock_device *md);
/* An address space goes away: report what still uses it. */
void mock_hw_vm_gone(struct mock_device *md, struct mock_vm *vm);
/* A GART range (MQD, ring, IB ...) is freed: report what still uses it. */
void mock_hw_gart_gone(struct mock_device *md, u64 va, size_t len);
/* amdgpu_amdkfd_unmap_hiq() of one XCC. */
int mock_hw_unmap_hiq(struct mock_device *md, u32 doorbell, u32 xcc);

/* The GPU's clock at this moment (100 MHz), as signals' time stamps count it. */
u64 mock_hw_clock(struct mock_device *md);

/* kfd->kfd2kgd of the mock is the real gc_9_4_3_kfd2kgd. */

#endif
