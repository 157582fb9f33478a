/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the mock GPU's host side share. */
#ifndef KFD_MOCK_HOST_H
#define KFD_MOCK_HOST_H

#include <drm/drm_mm.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/dma-resv.h>
#include <linux/mmu_notifier.h>
#include "amdgpu.h"
#include "amdgpu_object.h"
#include "amdgpu_reset.h"
#include "mock.h"

/**
 * struct mock_host - the host side's part of a mock GPU
 * @adev: the amdgpu device; embedded because its drm_device is ddev
 * @md: what the hardware side sees
 * @xcp_mgr: partitions; one in SPX mode
 * @partition_mode: enum amdgpu_gfx_partition
 * @mem_partition: the one memory partition of NPS1
 * @reset_domain: taken for writing over a GPU reset
 * @gart_lock: protects @gart_mm
 * @gart_mm: allocated part of the GART's address range
 * @doorbell_map: allocated pages of the doorbell aperture
 * @doorbell_lock: protects @doorbell_map
 * @vram_lock: protects @vram_mm
 * @vram_mm: VRAM of SVM, in pages
 * @vram: its pages that belong to a BO, by number
 * @copy_ring: moves pages between main memory and VRAM
 * @window: page-table entries of the GART window for that
 * @index: number of this GPU
 */
struct mock_host {
	struct amdgpu_device adev;
	struct mock_device md;
	struct amdgpu_xcp_mgr xcp_mgr;
	int partition_mode;
	struct amdgpu_mem_partition_info mem_partition;
	struct amdgpu_reset_domain reset_domain;
	struct mutex gart_lock;		/* gart_mm */
	struct drm_mm gart_mm;
	unsigned long *doorbell_map;
	struct mutex doorbell_lock;	/* doorbell_map */
	struct mutex vram_lock;		/* vram_mm */
	struct drm_mm vram_mm;
	struct xarray vram;
	struct amdgpu_ring copy_ring;
	u64 window[AMDGPU_GTT_MAX_TRANSFER_SIZE];
	int index;
};

static inline struct mock_host *adev_to_host(struct amdgpu_device *adev)
{
	return container_of(adev, struct mock_host, adev);
}

/**
 * struct mock_mapping - a range of a GPU address space
 * @base: what amdkfd sees of it
 * @pte: the page tables were written (amdgpu_vm_bo_update)
 */
struct mock_mapping {
	struct amdgpu_bo_va_mapping base;
	bool pte;
};

/**
 * struct mock_bo - a buffer object
 * @ubo: what amdkfd and the linked amdgpu files see of it
 * @tt: for tbo.ttm; pages only of a userptr
 * @res: for tbo.resource; only mem_type says anything
 * @pages: pages of a GTT or VRAM BO, present since first touched
 * @lock: protects @gen, @pages_gen and the use of userptr pages. Leaf.
 * @user_addr: start of a userptr; of a page directory: what stands for its address
 * @mm: whose address it is; a number to compare, no reference is held
 * @gen: invalidations of the userptr
 * @pages_gen: value of @gen that tt.pages belong to; GPU access needs @gen
 * @kaddr: kernel mapping, or NULL
 * @gart_va: stands for the BO in the kernel's address space (GART)
 * @gart_map: its mapping there
 * @gart_node: its range there
 * @doorbell: first doorbell page, or -1
 * @vram: where it lies, of a BO of SVM
 */
struct mock_bo {
	struct amdgpu_bo_user ubo;
	struct ttm_tt tt;
	struct ttm_resource res;
	struct xarray pages;
	spinlock_t lock;		/* gen, pages_gen, use of userptr pages */
	u64 user_addr;
	struct mm_struct *mm;
	u64 gen;
	u64 pages_gen;
	void *kaddr;
	struct amdgpu_bo_va gart_va;
	struct mock_mapping gart_map;
	struct drm_mm_node gart_node;
	long doorbell;
	struct mock_svm_vram *vram;
};

static inline struct mock_bo *to_mock_bo(struct amdgpu_bo *bo)
{
	return container_of(bo, struct mock_bo, ubo.bo);
}

/**
 * struct mock_fpriv - an open render node
 * @base: what amdkfd sees of it
 * @vm: the address space as the hardware sees it
 */
struct mock_fpriv {
	struct amdgpu_fpriv base;
	struct mock_vm vm;
};

static inline struct mock_vm *to_mock_vm(struct amdgpu_vm *vm)
{
	return &container_of(vm, struct mock_fpriv, base.vm)->vm;
}

/* mem.c; the first two are what ld --wrap makes of one name */
int __real_amdgpu_amdkfd_evict_userptr(struct mmu_interval_notifier *mni, unsigned long cur_seq,
				       struct kgd_mem *mem);
int __wrap_amdgpu_amdkfd_evict_userptr(struct mmu_interval_notifier *mni, unsigned long cur_seq,
				       struct kgd_mem *mem);
int mock_mem_init(struct mock_host *host);
void mock_mem_fini(struct mock_host *host);
int mock_mem_evict(struct mock_host *host, struct mm_struct *mm);
void mock_vm_setup(struct mock_device *md, struct mock_vm *vm);
int mock_vm_open(struct mock_host *host, struct mock_fpriv *fpriv);
void mock_vm_close(struct mock_host *host, struct mock_fpriv *fpriv);

/* svm.c */
#if IS_ENABLED(CONFIG_HSA_AMD_SVM)
int mock_svm_init(struct mock_host *host);
void mock_svm_fini(struct mock_host *host);
void mock_svm_vm_setup(struct mock_vm *vm);
int mock_svm_acquire(struct mock_host *host, struct mock_vm *vm);
void mock_svm_release(struct mock_vm *vm);
void mock_svm_erase(struct mock_vm *vm, unsigned long start, unsigned long last);
struct page *mock_svm_page(struct mock_vm *vm, u64 pfn, bool write);
int mock_svm_bo_init(struct mock_host *host, struct mock_bo *mbo);
void mock_svm_bo_fini(struct mock_host *host, struct mock_bo *mbo);
#else
static inline int mock_svm_init(struct mock_host *host)
{
	return 0;
}

static inline void mock_svm_fini(struct mock_host *host)
{
}

static inline void mock_svm_vm_setup(struct mock_vm *vm)
{
}

static inline int mock_svm_acquire(struct mock_host *host, struct mock_vm *vm)
{
	return 0;
}

static inline void mock_svm_release(struct mock_vm *vm)
{
}

static inline void mock_svm_erase(struct mock_vm *vm, unsigned long start, unsigned long last)
{
}

static inline struct page *mock_svm_page(struct mock_vm *vm, u64 pfn, bool write)
{
	return NULL;
}

static inline int mock_svm_bo_init(struct mock_host *host, struct mock_bo *mbo)
{
	return -EOPNOTSUPP;
}

static inline void mock_svm_bo_fini(struct mock_host *host, struct mock_bo *mbo)
{
}
#endif

/* drm.c */
extern const struct drm_driver mock_drm_driver;
int mock_xcp_alloc(struct mock_host *host);
int mock_xcp_register(struct mock_host *host);
void mock_xcp_unregister(struct mock_host *host);

/* main.c */
int mock_gpu_reset(struct mock_host *host, struct amdgpu_reset_context *ctx);

#endif
