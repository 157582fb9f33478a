// SPDX-License-Identifier: GPL-2.0
/*
 * Shared virtual memory of the mock GPU: what the real kfd_svm.c and
 * kfd_migrate.c find beneath them.
 *
 * Above the BOs' mappings (mem.c) an address space has page-table entries of
 * single pages, in the format of the hardware: a DMA address or an offset in
 * VRAM, and flags. Only amdgpu_vm_update_range() writes them, and the GPU
 * believes them and nothing else.
 *
 * Without XNACK amdkfd leaves the entries as they are when the CPU's pages
 * change, stops the queues, and writes them again before the queues go on. An
 * MMU notifier of the mock's own, which is called after that of amdkfd, marks
 * such entries: an access through one is a violation, and does not reach a page
 * that may be somebody else's by now. When a process ends there are no calls to
 * see, but a flag of its mm, set when its last pages have gone; amdkfd has to stop
 * the queues before that.
 *
 * VRAM for SVM is a heap of its own, of mock_svm_vram_mb, which is what device
 * pages are made for. It cannot be seen by the CPU. What amdgpu copies with an
 * SDMA ring is copied by the CPU at the time of submission, through the GART
 * window that the driver has written.
 *
 * Not modelled: retry faults (XNACK), eviction of SVM's VRAM by TTM, another
 * GPU's VRAM.
 */
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/coredump.h>
#include "host.h"
#include "amdgpu_job.h"
#include "amdgpu_vram_mgr.h"
#include "kfd_migrate.h"

/* Until late in 6.12.y it was DRM's */
#ifndef GPU_BUDDY_ALLOCATED
#define gpu_buddy_block drm_buddy_block
#endif

static bool mock_svm = true;
module_param(mock_svm, bool, 0444);
MODULE_PARM_DESC(mock_svm, "the GPU supports SVM (Y)");

static unsigned int mock_svm_vram_mb = 64;
module_param(mock_svm_vram_mb, uint, 0444);
MODULE_PARM_DESC(mock_svm_vram_mb, "VRAM that SVM can migrate to, MiB, a multiple of 2 (64)");

uint amdgpu_svm_default_granularity = 9;

#define MOCK_PTE_ADDR	GENMASK_ULL(47, 12)
/* not of the hardware: the CPU's page table has changed since */
#define MOCK_PTE_STALE	BIT_ULL(60)

/**
 * struct mock_svm_vram - VRAM of an SVM BO
 * @res: for tbo.resource
 * @block: all of it, in @res
 * @node: where it is, in pages
 */
struct mock_svm_vram {
	struct amdgpu_vram_mgr_resource res;
	struct gpu_buddy_block block;
	struct drm_mm_node node;
};

static struct page *mock_pte_page(struct mock_host *host, u64 pte)
{
	u64 addr = pte & MOCK_PTE_ADDR;
	unsigned long pfn;

	if (!(pte & AMDGPU_PTE_SYSTEM))
		return xa_load(&host->vram, addr >> PAGE_SHIFT);
	pfn = PHYS_PFN(dma_to_phys(host->adev.dev, addr));
	return pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;
}

/* The OOM killer sets the bit, too, of processes that live on */
static bool mock_mm_gone(struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users) && test_bit(MMF_OOM_SKIP, &mm->flags);
}

/**
 * mock_svm_page - walk the page table of SVM
 * @vm: address space
 * @pfn: page number in it
 * @write: for an access that writes
 *
 * Context: under vm->lock, which the access must hold to its end.
 * Return: the page, NULL where there is no entry, -EFAULT where access is denied.
 */
struct page *mock_svm_page(struct mock_vm *vm, u64 pfn, bool write)
{
	void *entry = xa_load(&vm->ptes, pfn);
	struct page *page;
	u64 pte;

	if (!entry)
		return NULL;
	pte = xa_to_value(entry);
	if (pte & MOCK_PTE_STALE || mock_mm_gone(vm->notifier.mm)) {
		mock_violation(vm->md, "access to page 0x%llx, which the CPU's page table lost",
			       pfn);
		return ERR_PTR(-EFAULT);
	}
	if (!(pte & (write ? AMDGPU_PTE_WRITEABLE : AMDGPU_PTE_READABLE)))
		return ERR_PTR(-EFAULT);
	page = mock_pte_page(vm->md->host, pte);
	if (!page) {
		mock_violation(vm->md, "page 0x%llx is mapped to nothing: 0x%llx", pfn, pte);
		return ERR_PTR(-EFAULT);
	}
	return page;
}

static int mock_svm_invalidate(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mock_vm *vm = container_of(mn, struct mock_vm, notifier);
	XA_STATE(xas, &vm->ptes, range->start >> PAGE_SHIFT);
	void *entry;

	/* no access is in progress, and the next one sees the mark */
	spin_lock(&vm->lock);
	xas_lock(&xas);
	xas_for_each(&xas, entry, (range->end - 1) >> PAGE_SHIFT)
		xas_store(&xas, xa_mk_value(xa_to_value(entry) | MOCK_PTE_STALE));
	xas_unlock(&xas);
	spin_unlock(&vm->lock);
	return 0;
}

static const struct mmu_notifier_ops mock_svm_notifier_ops = {
	.invalidate_range_start = mock_svm_invalidate,
};

/**
 * mock_svm_vm_setup - initialise the page table of SVM
 * @vm: address space
 */
void mock_svm_vm_setup(struct mock_vm *vm)
{
	xa_init(&vm->ptes);
}

/**
 * mock_svm_acquire - the process of an address space is known: it is current
 * @host: the mock GPU
 * @vm: address space
 *
 * Context: takes mmap_lock for writing.
 * Return: 0 or a negative errno.
 */
int mock_svm_acquire(struct mock_host *host, struct mock_vm *vm)
{
	int ret;

	if (!mock_svm)
		return 0;
	vm->notifier.ops = &mock_svm_notifier_ops;
	ret = mmu_notifier_register(&vm->notifier, current->mm);
	if (ret)
		vm->notifier.ops = NULL;
	return ret;
}

/**
 * mock_svm_release - undo mock_svm_acquire(), if it was called
 * @vm: address space
 */
void mock_svm_release(struct mock_vm *vm)
{
	/* no access is in progress that needs the mm */
	spin_lock(&vm->lock);
	xa_destroy(&vm->ptes);
	spin_unlock(&vm->lock);
	if (vm->notifier.ops) {
		mmu_notifier_unregister(&vm->notifier, vm->notifier.mm);
		vm->notifier.ops = NULL;
	}
}

/**
 * mock_svm_erase - clear entries
 * @vm: address space
 * @start: first page
 * @last: last page
 */
void mock_svm_erase(struct mock_vm *vm, unsigned long start, unsigned long last)
{
	unsigned long pfn;
	void *entry;

	xa_for_each_range(&vm->ptes, pfn, entry, start, last)
		xa_erase(&vm->ptes, pfn);
}

int amdgpu_vm_update_range(struct amdgpu_device *adev, struct amdgpu_vm *vm, bool immediate,
			   bool unlocked, bool flush_tlb, bool allow_override,
			   struct amdgpu_sync *sync, uint64_t start, uint64_t last, uint64_t flags,
			   uint64_t offset, uint64_t vram_base, struct ttm_resource *res,
			   dma_addr_t *pages_addr, struct dma_fence **fence)
{
	struct mock_vm *mvm = to_mock_vm(vm);
	unsigned long pfn;
	int ret;

	if (!(flags & AMDGPU_PTE_VALID)) {
		mock_svm_erase(mvm, start, last);
		return 0;
	}

	if (amdgpu_vm_bo_lookup_mapping(vm, start) || amdgpu_vm_bo_lookup_mapping(vm, last))
		mock_violation(mvm->md, "SVM pages 0x%llx to 0x%llx are those of a BO", start,
			       last);
	pages_addr += offset >> PAGE_SHIFT;
	for (pfn = start; pfn <= last; pfn++) {
		u64 pte = (pages_addr[pfn - start] & MOCK_PTE_ADDR) | flags;

		/* callers hold locks of notifiers, and have forbidden reclaim */
		ret = xa_err(xa_store(&mvm->ptes, pfn, xa_mk_value(pte), GFP_KERNEL));
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * VRAM
 */

/**
 * mock_svm_bo_init - give an SVM BO its VRAM
 * @host: the mock GPU
 * @mbo: the BO, of its size
 *
 * Return: 0 or a negative errno.
 */
int mock_svm_bo_init(struct mock_host *host, struct mock_bo *mbo)
{
	unsigned long i, pages = mbo->tt.num_pages;
	unsigned int order = order_base_2(pages);
	struct mock_svm_vram *vram;
	struct page *page;
	int ret;

	vram = kzalloc(sizeof(*vram), GFP_KERNEL);
	if (!vram)
		return -ENOMEM;
	mutex_lock(&host->vram_lock);
	ret = drm_mm_insert_node_generic(&host->vram_mm, &vram->node, pages, BIT(order), 0,
					 DRM_MM_INSERT_BEST);
	mutex_unlock(&host->vram_lock);
	if (ret) {
		kfree(vram);
		return ret;
	}
	vram->res.base = mbo->res;
	vram->res.base.start = vram->node.start;
	INIT_LIST_HEAD(&vram->res.blocks);
	vram->block.header = vram->node.start << PAGE_SHIFT | order;
	list_add(&vram->block.link, &vram->res.blocks);
	mbo->ubo.bo.tbo.resource = &vram->res.base;
	mbo->vram = vram;

	for (i = 0; i < pages; i++) {
		page = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
		if (!page)
			return -ENOMEM;
		ret = xa_err(xa_store(&host->vram, vram->node.start + i, page, GFP_KERNEL));
		if (ret) {
			__free_page(page);
			return ret;
		}
	}
	return 0;
}

/**
 * mock_svm_bo_fini - free the VRAM of a BO, if it has any of SVM's
 * @host: the mock GPU
 * @mbo: the BO
 */
void mock_svm_bo_fini(struct mock_host *host, struct mock_bo *mbo)
{
	struct mock_svm_vram *vram = mbo->vram;
	struct page *page;
	unsigned long i;

	if (!vram)
		return;
	for (i = 0; i < mbo->tt.num_pages; i++) {
		page = xa_erase(&host->vram, vram->node.start + i);
		if (page)
			__free_page(page);
	}
	mutex_lock(&host->vram_lock);
	drm_mm_remove_node(&vram->node);
	mutex_unlock(&host->vram_lock);
	mbo->ubo.bo.tbo.resource = &mbo->res;
	mbo->vram = NULL;
	kfree(vram);
}

void amdgpu_bo_fence(struct amdgpu_bo *bo, struct dma_fence *fence, bool shared)
{
	/* the caller has reserved room */
	dma_resv_add_fence(bo->tbo.base.resv, fence,
			   shared ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE);
}

uint64_t amdgpu_ttm_domain_start(struct amdgpu_device *adev, uint32_t type)
{
	return 0;
}

/*
 * The ring that copies between main memory and VRAM. Its IB holds one packet,
 * source, destination and bytes, and behind that the entries of the GART window.
 */
#define MOCK_COPY_DW	8

static void mock_emit_copy_buffer(struct amdgpu_ib *ib, u64 src, u64 dst, u32 bytes, u32 flags)
{
	u64 packet[] = { src, dst, bytes };

	memcpy(ib->ptr + ib->length_dw, packet, sizeof(packet));
	ib->length_dw += DIV_ROUND_UP(sizeof(packet), sizeof(u32));
}

static const struct amdgpu_buffer_funcs mock_buffer_funcs = {
	.copy_num_dw = MOCK_COPY_DW,
	.emit_copy_buffer = mock_emit_copy_buffer,
};

static void mock_pad_ib(struct amdgpu_ring *ring, struct amdgpu_ib *ib)
{
	ib->length_dw = ALIGN(ib->length_dw, MOCK_COPY_DW);
}

static const struct amdgpu_ring_funcs mock_copy_ring_funcs = {
	.pad_ib = mock_pad_ib,
};

int amdgpu_job_alloc_with_ib(struct amdgpu_device *adev, struct drm_sched_entity *entity,
			     void *owner, size_t size, enum amdgpu_ib_pool_type pool_type,
			     struct amdgpu_job **job, u64 k_job_id)
{
	size_t ib = ALIGN(struct_size(*job, ibs, 1), sizeof(u64));

	*job = kzalloc(ib + size, GFP_KERNEL);
	if (!*job)
		return -ENOMEM;
	(*job)->ibs[0].ptr = (void *)*job + ib;
	(*job)->ibs[0].gpu_addr = (uintptr_t)(*job)->ibs[0].ptr;
	(*job)->base.entity = entity;
	return 0;
}

void amdgpu_gart_map(struct amdgpu_device *adev, uint64_t offset, int pages, dma_addr_t *dma_addr,
		     uint64_t flags, void *dst)
{
	u64 *pte = dst + (offset >> PAGE_SHIFT) * sizeof(*pte);
	int i;

	for (i = 0; i < pages; i++)
		pte[i] = (dma_addr[i] & MOCK_PTE_ADDR) | flags;
}

/* Runs the one kind of job that there is: write the GART window */
struct dma_fence *amdgpu_job_submit(struct amdgpu_job *job)
{
	struct amdgpu_device *adev = container_of(job->base.entity, struct amdgpu_device,
						  mman.high_pr);
	struct mock_host *host = adev_to_host(adev);
	u64 packet[3];

	memcpy(packet, job->ibs[0].ptr, sizeof(packet));
	if (WARN_ON(packet[1] != amdgpu_bo_gpu_offset(adev->gart.bo) ||
		    packet[2] > sizeof(host->window)))
		packet[2] = 0;
	memcpy(host->window, (void *)(uintptr_t)packet[0], packet[2]);
	kfree(job);
	return dma_fence_get_stub();
}

static struct page *mock_copy_page(struct mock_host *host, u64 addr, bool write)
{
	u64 window = addr - host->adev.gmc.gart_start;
	u64 pte = addr | AMDGPU_PTE_READABLE | AMDGPU_PTE_WRITEABLE;

	if (window >> PAGE_SHIFT < ARRAY_SIZE(host->window))
		pte = host->window[window >> PAGE_SHIFT];
	if (!(pte & (write ? AMDGPU_PTE_WRITEABLE : AMDGPU_PTE_READABLE)))
		return NULL;
	return mock_pte_page(host, pte);
}

int amdgpu_copy_buffer(struct amdgpu_ring *ring, uint64_t src_offset, uint64_t dst_offset,
		       uint32_t byte_count, struct dma_resv *resv, struct dma_fence **fence,
		       bool direct_submit, bool vm_needs_flush, uint32_t copy_flags)
{
	struct mock_host *host = adev_to_host(ring->adev);
	struct page *src, *dst;
	u32 i;

	lockdep_assert_held(&ring->adev->mman.gtt_window_lock);
	for (i = 0; i < byte_count; i += PAGE_SIZE) {
		src = mock_copy_page(host, src_offset + i, false);
		dst = mock_copy_page(host, dst_offset + i, true);
		if (src && dst)
			copy_highpage(dst, src);
		else
			mock_violation(&host->md, "copy from 0x%llx to 0x%llx, where nothing is",
				       src_offset + i, dst_offset + i);
	}
	*fence = dma_fence_get_stub();
	return 0;
}

/*
 * The rest
 */

bool amdgpu_ttm_tt_affect_userptr(struct ttm_tt *ttm, unsigned long start, unsigned long end,
				  unsigned long *userptr)
{
	struct mock_bo *mbo = ttm ? container_of(ttm, struct mock_bo, tt) : NULL;

	if (!mbo || !mbo->mm || mbo->user_addr > end ||
	    mbo->user_addr + amdgpu_bo_size(&mbo->ubo.bo) <= start)
		return false;
	if (userptr)
		*userptr = mbo->user_addr;
	return true;
}

void amdgpu_gmc_filter_faults_remove(struct amdgpu_device *adev, uint64_t addr, uint16_t pasid)
{
}

/* Retry faults: there are none, the rings are empty */
static u32 mock_ih_get_wptr(struct amdgpu_device *adev, struct amdgpu_ih_ring *ih)
{
	return ih->rptr;
}

static const struct amdgpu_ih_funcs mock_ih_funcs = {
	.get_wptr = mock_ih_get_wptr,
};

/**
 * mock_svm_init - make a mock GPU support SVM, or not (mock_svm)
 * @host: the mock GPU, its memory set up, amdkfd not probed
 *
 * Return: 0 or a negative errno.
 */
int mock_svm_init(struct mock_host *host)
{
	struct amdgpu_device *adev = &host->adev;
	u64 size = adev->gmc.real_vram_size;
	int ret;

	mutex_init(&host->vram_lock);
	xa_init(&host->vram);
	if (!mock_svm)
		return 0;
	drm_mm_init(&host->vram_mm, 0, (u64)mock_svm_vram_mb << (20 - PAGE_SHIFT));
	host->copy_ring.adev = adev;
	host->copy_ring.funcs = &mock_copy_ring_funcs;
	adev->mman.buffer_funcs = &mock_buffer_funcs;
	adev->mman.buffer_funcs_ring = &host->copy_ring;
	adev->irq.ih_funcs = &mock_ih_funcs;
	ret = amdgpu_bo_create_kernel(adev, PAGE_SIZE, PAGE_SIZE, AMDGPU_GEM_DOMAIN_VRAM,
				      &adev->gart.bo, NULL, NULL);
	if (ret) {
		drm_mm_takedown(&host->vram_mm);
		return ret;
	}

	/* struct pages of all of the reported VRAM would not fit into main memory */
	adev->gmc.real_vram_size = (u64)mock_svm_vram_mb << 20;
	/* as amdgpu: if it fails, amdkfd says that there is no SVM */
	kgd2kfd_init_zone_device(adev);
	adev->gmc.real_vram_size = size;
	return 0;
}

/**
 * mock_svm_fini - undo mock_svm_init()
 * @host: the mock GPU
 *
 * The device pages go with the PCI device.
 */
void mock_svm_fini(struct mock_host *host)
{
	if (!mock_svm)
		return;
	if (!drm_mm_clean(&host->vram_mm))
		mock_violation(&host->md, "VRAM of SVM is left");
	else
		drm_mm_takedown(&host->vram_mm);
	amdgpu_bo_free_kernel(&host->adev.gart.bo, NULL, NULL);
	xa_destroy(&host->vram);
}
