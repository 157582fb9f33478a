// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the mock GPU: buffer objects, address spaces, userptr.
 *
 * Above lies the real amdgpu_amdkfd_gpuvm.c, with its process info, eviction
 * fences and userptr worker. It decides what is mapped where and when; this
 * file only keeps what TTM and amdgpu_vm would keep for it.
 *
 * An address space is a tree of mappings, each of a range of a BO, with a flag
 * that says whether the page tables have been written. The GPU's accesses walk
 * that tree (mock_mem_*()), so nothing costs memory but the pages touched: GTT
 * and VRAM BOs get a zeroed page at the first access by either side.
 */
#include <linux/highmem.h>
#include <linux/interval_tree_generic.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>
#include <drm/drm_exec.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_tt.h>
#include "host.h"
#include "amdgpu_dma_buf.h"
#include "amdgpu_gem.h"
#include "amdgpu_hmm.h"
#include "kfd_priv.h"

/* The GART of a real MI300X lies at the top of the address space as well. */
#define MOCK_GART_START	0x7fff00000000ULL
#define MOCK_GART_SIZE	SZ_4G

#define MAP_START(map)	((map)->start)
#define MAP_LAST(map)	((map)->last)

INTERVAL_TREE_DEFINE(struct amdgpu_bo_va_mapping, rb, u64, __subtree_last,
		     MAP_START, MAP_LAST, static __maybe_unused, mock_it)

static struct mock_mapping *to_mock_mapping(struct amdgpu_bo_va_mapping *map)
{
	return container_of(map, struct mock_mapping, base);
}

static struct mock_host *bo_to_host(struct amdgpu_bo *bo)
{
	return adev_to_host(amdgpu_ttm_adev(bo->tbo.bdev));
}

/* The page of a GTT or VRAM BO. Never enters reclaim unless gfp says so. */
static struct page *mock_bo_page(struct mock_bo *mbo, unsigned long index, gfp_t gfp)
{
	struct page *page, *old;

	page = xa_load(&mbo->pages, index);
	if (page)
		return page;

	page = alloc_page(gfp | __GFP_ZERO | __GFP_NOWARN);
	if (!page)
		return NULL;
	old = xa_cmpxchg(&mbo->pages, index, NULL, page, gfp);
	if (old) {
		__free_page(page);
		page = xa_is_err(old) ? NULL : old;
	}
	return page;
}

/* A kernel address in the apertures of BAR2, or NULL if the address is not. */
static void *mock_bar_ptr(struct mock_host *host, u64 addr)
{
	u64 base = host->adev.doorbell.base;

	if (addr < base || addr >= base + pci_resource_len(host->adev.pdev, 2))
		return NULL;
	return host->md.doorbell + (addr - base);
}

enum mock_op { MOCK_READ, MOCK_WRITE, MOCK_ADD32, MOCK_ADD64 };

/*
 * One access that does not cross a page. Single loads and stores of 4 and 8
 * bytes are atomic and ordered, because the CPU polls what is written here and
 * writes what is polled.
 */
static void mock_access(void *ptr, void *buf, size_t len, enum mock_op op)
{
	bool single = (len == 4 || len == 8) && IS_ALIGNED((unsigned long)ptr, len);

	switch (op) {
	case MOCK_READ:
		if (single && len == 8)
			/* pairs with the release of whoever publishes a packet */
			*(u64 *)buf = smp_load_acquire((u64 *)ptr);
		else if (single)
			/* as above */
			*(u32 *)buf = smp_load_acquire((u32 *)ptr);
		else
			memcpy(buf, ptr, len);
		break;
	case MOCK_WRITE:
		if (single && len == 8)
			/* pairs with the acquire of whoever waits for a signal */
			smp_store_release((u64 *)ptr, *(u64 *)buf);
		else if (single)
			/* as above */
			smp_store_release((u32 *)ptr, *(u32 *)buf);
		else
			memcpy(ptr, buf, len);
		break;
	case MOCK_ADD32:
		*(u32 *)buf = atomic_fetch_add(*(u32 *)buf, (atomic_t *)ptr);
		break;
	case MOCK_ADD64:
		*(u64 *)buf = atomic64_fetch_add(*(u64 *)buf, (atomic64_t *)ptr);
		break;
	}
}

static void mock_page_access(struct page *page, size_t offset, void *buf, size_t len,
			     enum mock_op op)
{
	void *ptr = kmap_local_page(page);

	mock_access(ptr + offset, buf, len, op);
	kunmap_local(ptr);
}

static int mock_bo_access(struct mock_bo *mbo, u64 offset, void *buf, size_t len,
			  enum mock_op op)
{
	struct amdgpu_bo *bo = &mbo->ubo.bo;
	struct mock_host *host = bo_to_host(bo);
	unsigned long index = offset >> PAGE_SHIFT;
	struct page *page;
	void *ptr;

	if (offset + len > amdgpu_bo_size(bo))
		return -EFAULT;

	if (mbo->doorbell >= 0) {
		mock_access(host->md.doorbell + (mbo->doorbell << PAGE_SHIFT) + offset,
			    buf, len, op);
		return 0;
	}
	if (bo->tbo.type == ttm_bo_type_sg) {
		struct sg_table *sg = bo->tbo.ttm->sg;

		ptr = sg ? mock_bar_ptr(host, sg_dma_address(sg->sgl) + offset) : NULL;
		if (!ptr)
			return -EFAULT;
		mock_access(ptr, buf, len, op);
		return 0;
	}
	if (mbo->mm) {
		int ret = -EFAULT;

		/* the lock keeps mock_userptr_invalidate(), hence the page's
		 * owner, waiting until the access is over
		 */
		spin_lock(&mbo->lock);
		if (mbo->pages_gen == mbo->gen && mbo->tt.pages[index]) {
			mock_page_access(mbo->tt.pages[index], offset_in_page(offset), buf, len,
					 op);
			ret = 0;
		}
		spin_unlock(&mbo->lock);
		return ret;
	}

	page = mock_bo_page(mbo, index, GFP_ATOMIC);
	if (!page) {
		pr_err_ratelimited("kfd_mock: no memory for a page of a BO\n");
		return -EFAULT;
	}
	mock_page_access(page, offset_in_page(offset), buf, len, op);
	return 0;
}

static int mock_vm_access(struct mock_vm *vm, u64 va, void *buf, size_t len, enum mock_op op)
{
	while (len) {
		size_t part = min_t(size_t, len, PAGE_SIZE - offset_in_page(va));
		u64 pfn = va >> AMDGPU_GPU_PAGE_SHIFT;
		struct amdgpu_bo_va_mapping *map;
		struct page *page;
		int ret = -EFAULT;

		spin_lock(&vm->lock);
		page = mock_svm_page(vm, pfn, op != MOCK_READ);
		if (page) {
			if (!IS_ERR(page)) {
				mock_page_access(page, offset_in_page(va), buf, part, op);
				ret = 0;
			}
			goto unlock;
		}
		map = mock_it_iter_first(&vm->va, pfn, pfn);
		if (map && to_mock_mapping(map)->pte &&
		    (op == MOCK_READ || (map->flags & AMDGPU_PTE_WRITEABLE)))
			ret = mock_bo_access(to_mock_bo(map->bo_va->base.bo),
					     va - (map->start << AMDGPU_GPU_PAGE_SHIFT) +
					     map->offset, buf, part, op);
unlock:
		spin_unlock(&vm->lock);
		if (ret)
			return ret;
		va += part;
		buf += part;
		len -= part;
	}
	return 0;
}

/**
 * mock_mem_read - read GPU virtual memory
 * @vm: address space
 * @va: GPU virtual address
 * @dst: where to
 * @len: bytes; the range may cross pages
 *
 * Context: any that may take a spinlock; never sleeps, never enters reclaim.
 * Return: 0, or -EFAULT where nothing is mapped (what came before was read).
 */
int mock_mem_read(struct mock_vm *vm, u64 va, void *dst, size_t len)
{
	return mock_vm_access(vm, va, dst, len, MOCK_READ);
}

/**
 * mock_mem_write - write GPU virtual memory
 * @vm: address space
 * @va: GPU virtual address
 * @src: where from
 * @len: bytes; the range may cross pages
 *
 * Context: as mock_mem_read().
 * Return: 0, or -EFAULT where nothing is mapped for writing.
 */
int mock_mem_write(struct mock_vm *vm, u64 va, const void *src, size_t len)
{
	return mock_vm_access(vm, va, (void *)src, len, MOCK_WRITE);
}

/**
 * mock_mem_add32 - atomic add, as the GPU's global atomics do
 * @vm: address space
 * @va: GPU virtual address, naturally aligned
 * @add: addend
 * @old: gets the value before, may be NULL
 *
 * Context: as mock_mem_read().
 * Return: 0, or -EFAULT.
 */
int mock_mem_add32(struct mock_vm *vm, u64 va, u32 add, u32 *old)
{
	int ret;

	if (!IS_ALIGNED(va, sizeof(add)))
		return -EFAULT;
	ret = mock_vm_access(vm, va, &add, sizeof(add), MOCK_ADD32);
	if (!ret && old)
		*old = add;
	return ret;
}

/**
 * mock_mem_add64 - mock_mem_add32() of 64 bits
 * @vm: address space
 * @va: GPU virtual address, naturally aligned
 * @add: addend
 * @old: gets the value before, may be NULL
 *
 * Context: as mock_mem_read().
 * Return: 0, or -EFAULT.
 */
int mock_mem_add64(struct mock_vm *vm, u64 va, u64 add, u64 *old)
{
	int ret;

	if (!IS_ALIGNED(va, sizeof(add)))
		return -EFAULT;
	ret = mock_vm_access(vm, va, &add, sizeof(add), MOCK_ADD64);
	if (!ret && old)
		*old = add;
	return ret;
}

/**
 * mock_mem_read32 - one load, as a device polls a flag
 * @vm: address space
 * @va: GPU virtual address
 * @val: gets the value
 *
 * Context: as mock_mem_read().
 * Return: 0, or -EFAULT.
 */
int mock_mem_read32(struct mock_vm *vm, u64 va, u32 *val)
{
	return mock_vm_access(vm, va, val, sizeof(*val), MOCK_READ);
}

/**
 * mock_mem_read64 - one load, as a device polls a pointer or signal
 * @vm: address space
 * @va: GPU virtual address
 * @val: gets the value
 *
 * Context: as mock_mem_read().
 * Return: 0, or -EFAULT.
 */
int mock_mem_read64(struct mock_vm *vm, u64 va, u64 *val)
{
	return mock_vm_access(vm, va, val, sizeof(*val), MOCK_READ);
}

static u64 *mock_doorbell_ptr(struct mock_device *md, u32 dword)
{
	if ((dword & 1) || (size_t)dword * sizeof(u32) + sizeof(u64) > md->doorbell_size)
		return NULL;
	return md->doorbell + (size_t)dword * sizeof(u32);
}

/**
 * mock_doorbell_read - what a doorbell holds
 * @md: the mock GPU
 * @dword: dword index in the BAR, even
 *
 * Context: any.
 * Return: the 64-bit value; MOCK_DOORBELL_NONE if it was not rung since it was
 * taken, or does not exist.
 */
u64 mock_doorbell_read(struct mock_device *md, u32 dword)
{
	u64 *ptr = mock_doorbell_ptr(md, dword);

	return ptr ? READ_ONCE(*ptr) : MOCK_DOORBELL_NONE;
}

/**
 * mock_doorbell_take - see whether a doorbell was rung, and forget that it was
 * @md: the mock GPU
 * @dword: dword index in the BAR, even
 *
 * The aperture is memory, so a value written over the same value would not be
 * seen by comparing.
 *
 * Context: any.
 * Return: the 64-bit value; MOCK_DOORBELL_NONE if it was not rung since.
 */
u64 mock_doorbell_take(struct mock_device *md, u32 dword)
{
	u64 *ptr = mock_doorbell_ptr(md, dword);

	/* looking costs less than exchanging, and mostly finds nothing */
	if (!ptr || READ_ONCE(*ptr) == MOCK_DOORBELL_NONE)
		return MOCK_DOORBELL_NONE;
	return xchg(ptr, MOCK_DOORBELL_NONE);
}

/**
 * mock_vm_find - the address space a page-directory address names
 * @md: the mock GPU
 * @pd_base: as in MAP_PROCESS or the VMID's page-table base registers
 *
 * Context: under mock_hw.lock; the result is valid until it is dropped.
 * Return: the address space, or NULL.
 */
struct mock_vm *mock_vm_find(struct mock_device *md, u64 pd_base)
{
	struct mock_vm *vm, *found = NULL;

	spin_lock(&md->vms_lock);
	list_for_each_entry(vm, &md->vms, node) {
		/* the low bits are flags of the page-directory entry */
		if ((vm->pd_base ^ pd_base) >> AMDGPU_GPU_PAGE_SHIFT == 0) {
			found = vm;
			break;
		}
	}
	spin_unlock(&md->vms_lock);
	return found;
}

/**
 * mock_vm_setup - initialise an empty address space
 * @md: the mock GPU
 * @vm: the address space
 */
void mock_vm_setup(struct mock_device *md, struct mock_vm *vm)
{
	vm->va = RB_ROOT_CACHED;
	spin_lock_init(&vm->lock);
	INIT_LIST_HEAD(&vm->node);
	vm->md = md;
	mock_svm_vm_setup(vm);
}

static bool mock_vm_insert(struct mock_vm *vm, struct mock_mapping *map)
{
	bool ok = false;

	spin_lock(&vm->lock);
	if (!mock_it_iter_first(&vm->va, map->base.start, map->base.last)) {
		mock_it_insert(&map->base, &vm->va);
		ok = true;
	}
	spin_unlock(&vm->lock);
	return ok;
}

static void mock_vm_erase(struct mock_vm *vm, struct mock_mapping *map)
{
	spin_lock(&vm->lock);
	mock_it_remove(&map->base, &vm->va);
	spin_unlock(&vm->lock);
}

/**
 * mock_vm_open - give an open render node its address space
 * @host: the mock GPU
 * @fpriv: the open render node, zeroed
 *
 * Return: 0 or a negative errno.
 */
int mock_vm_open(struct mock_host *host, struct mock_fpriv *fpriv)
{
	static atomic64_t next_pd = ATOMIC64_INIT(1);
	struct amdgpu_vm *vm = &fpriv->base.vm;
	struct amdgpu_bo_param bp = {
		.size = PAGE_SIZE,
		.domain = AMDGPU_GEM_DOMAIN_VRAM,
		.type = ttm_bo_type_kernel,
		.bo_ptr_size = sizeof(struct amdgpu_bo),
	};
	int ret;

	mock_vm_setup(&host->md, &fpriv->vm);
	vm->va = RB_ROOT_CACHED;
	mutex_init(&vm->eviction_lock);
	spin_lock_init(&vm->status_lock);
	INIT_LIST_HEAD(&vm->evicted);
	INIT_LIST_HEAD(&vm->evicted_user);
	INIT_LIST_HEAD(&vm->relocated);
	INIT_LIST_HEAD(&vm->moved);
	INIT_LIST_HEAD(&vm->idle);
	INIT_LIST_HEAD(&vm->invalidated);
	INIT_LIST_HEAD(&vm->freed);
	INIT_LIST_HEAD(&vm->done);
	INIT_KFIFO(vm->faults);

	ret = amdgpu_bo_create(&host->adev, &bp, &vm->root.bo);
	if (ret)
		return ret;
	vm->root.vm = vm;

	/* Never used twice, so that a stale one is recognised. */
	fpriv->vm.pd_base = (u64)atomic64_inc_return(&next_pd) << AMDGPU_GPU_PAGE_SHIFT |
			    AMDGPU_PTE_VALID;
	vm->root.bo->tbo.priority = 0;
	to_mock_bo(vm->root.bo)->user_addr = fpriv->vm.pd_base;
	vm->pd_phys_addr = fpriv->vm.pd_base;

	spin_lock(&host->md.vms_lock);
	list_add(&fpriv->vm.node, &host->md.vms);
	spin_unlock(&host->md.vms_lock);
	return 0;
}

/**
 * mock_vm_close - the render node is closed; nothing may use its memory now
 * @host: the mock GPU
 * @fpriv: the open render node
 */
void mock_vm_close(struct mock_host *host, struct mock_fpriv *fpriv)
{
	struct amdgpu_vm *vm = &fpriv->base.vm;
	struct amdgpu_bo_va_mapping *map;

	mock_hw_vm_gone(&host->md, &fpriv->vm);
	spin_lock(&host->md.vms_lock);
	list_del(&fpriv->vm.node);
	spin_unlock(&host->md.vms_lock);
	mock_hw_sync(&host->md);

	amdgpu_amdkfd_gpuvm_destroy_cb(&host->adev, vm);
	map = mock_it_iter_first(&fpriv->vm.va, 0, U64_MAX);
	if (map)
		mock_violation(&host->md, "a closed VM still maps page 0x%llx", map->start);
	mock_svm_release(&fpriv->vm);
	amdgpu_vm_put_task_info(vm->task_info);
	amdgpu_bo_unref(&vm->root.bo);
	mutex_destroy(&vm->eviction_lock);
}

uint64_t amdgpu_gmc_pd_addr(struct amdgpu_bo *bo)
{
	return to_mock_bo(bo)->user_addr;
}

struct amdgpu_bo_va *amdgpu_vm_bo_add(struct amdgpu_device *adev, struct amdgpu_vm *vm,
				      struct amdgpu_bo *bo)
{
	struct amdgpu_bo_va *bo_va = kzalloc(sizeof(*bo_va), GFP_KERNEL);

	if (!bo_va)
		return NULL;
	bo_va->base.vm = vm;
	bo_va->base.bo = bo;
	INIT_LIST_HEAD(&bo_va->base.vm_status);
	INIT_LIST_HEAD(&bo_va->valids);
	INIT_LIST_HEAD(&bo_va->invalids);
	bo_va->ref_count = 1;
	bo_va->base.next = bo->vm_bo;
	bo->vm_bo = &bo_va->base;
	return bo_va;
}

struct amdgpu_bo_va *amdgpu_vm_bo_find(struct amdgpu_vm *vm, struct amdgpu_bo *bo)
{
	struct amdgpu_vm_bo_base *base;

	for (base = bo->vm_bo; base; base = base->next)
		if (base->vm == vm)
			return container_of(base, struct amdgpu_bo_va, base);
	return NULL;
}

static void mock_unmap(struct amdgpu_bo_va *bo_va, struct amdgpu_bo_va_mapping *map)
{
	list_del(&map->list);
	mock_vm_erase(to_mock_vm(bo_va->base.vm), to_mock_mapping(map));
	bo_va->base.vm->va = to_mock_vm(bo_va->base.vm)->va;
	kfree(to_mock_mapping(map));
}

void amdgpu_vm_bo_del(struct amdgpu_device *adev, struct amdgpu_bo_va *bo_va)
{
	struct amdgpu_bo_va_mapping *map, *tmp;
	struct amdgpu_vm_bo_base **base;

	for (base = &bo_va->base.bo->vm_bo; *base; base = &(*base)->next) {
		if (*base == &bo_va->base) {
			*base = bo_va->base.next;
			break;
		}
	}
	if (bo_va->queue_refcount)
		mock_violation(&adev_to_host(adev)->md,
			       "a BO is taken out of a VM, but %u queues use it",
			       bo_va->queue_refcount);
	list_for_each_entry_safe(map, tmp, &bo_va->invalids, list)
		mock_unmap(bo_va, map);
	list_for_each_entry_safe(map, tmp, &bo_va->valids, list)
		mock_unmap(bo_va, map);
	kfree(bo_va);
}

int amdgpu_vm_bo_map(struct amdgpu_device *adev, struct amdgpu_bo_va *bo_va, uint64_t addr,
		     uint64_t offset, uint64_t size, uint64_t flags)
{
	struct mock_mapping *map;

	if (!size || !PAGE_ALIGNED(addr | offset | size) || addr + size <= addr ||
	    offset + size > amdgpu_bo_size(bo_va->base.bo))
		return -EINVAL;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	map->base.bo_va = bo_va;
	map->base.start = addr >> AMDGPU_GPU_PAGE_SHIFT;
	map->base.last = ((addr + size) >> AMDGPU_GPU_PAGE_SHIFT) - 1;
	map->base.offset = offset;
	map->base.flags = flags;
	if (!mock_vm_insert(to_mock_vm(bo_va->base.vm), map)) {
		dev_err(adev->dev, "0x%llx is mapped already\n", addr);
		kfree(map);
		return -EINVAL;
	}
	/* svm_range_check_vm() looks for itself, the VM reserved as it is here */
	bo_va->base.vm->va = to_mock_vm(bo_va->base.vm)->va;
	list_add(&map->base.list, &bo_va->invalids);
	return 0;
}

int amdgpu_vm_bo_unmap(struct amdgpu_device *adev, struct amdgpu_bo_va *bo_va, uint64_t addr)
{
	struct amdgpu_bo_va_mapping *map;

	addr >>= AMDGPU_GPU_PAGE_SHIFT;
	list_for_each_entry(map, &bo_va->valids, list)
		if (map->start == addr)
			goto found;
	list_for_each_entry(map, &bo_va->invalids, list)
		if (map->start == addr)
			goto found;
	return -ENOENT;
found:
	mock_unmap(bo_va, map);
	return 0;
}

int amdgpu_vm_bo_update(struct amdgpu_device *adev, struct amdgpu_bo_va *bo_va, bool clear)
{
	struct amdgpu_bo_va_mapping *map;
	struct mock_vm *vm;

	/* fpriv->prt_va, which the mock does not have */
	if (!bo_va)
		return 0;

	vm = to_mock_vm(bo_va->base.vm);
	list_splice_init(&bo_va->invalids, &bo_va->valids);
	spin_lock(&vm->lock);
	list_for_each_entry(map, &bo_va->valids, list)
		to_mock_mapping(map)->pte = !clear;
	spin_unlock(&vm->lock);
	/* there is one page table */
	list_for_each_entry(map, &bo_va->valids, list)
		mock_svm_erase(vm, map->start, map->last);
	return 0;
}

struct amdgpu_bo_va_mapping *amdgpu_vm_bo_lookup_mapping(struct amdgpu_vm *vm, uint64_t addr)
{
	struct mock_vm *mvm = to_mock_vm(vm);
	struct amdgpu_bo_va_mapping *map;

	spin_lock(&mvm->lock);
	map = mock_it_iter_first(&mvm->va, addr, addr);
	spin_unlock(&mvm->lock);
	return map;
}

int amdgpu_vm_lock_pd(struct amdgpu_vm *vm, struct drm_exec *exec, unsigned int num_fences)
{
	return drm_exec_prepare_obj(exec, &vm->root.bo->tbo.base, 1 + num_fences);
}

int amdgpu_vm_validate(struct amdgpu_device *adev, struct amdgpu_vm *vm,
		       struct ww_acquire_ctx *ticket,
		       int (*callback)(void *p, struct amdgpu_bo *bo), void *param)
{
	return 0;
}

int amdgpu_vm_clear_freed(struct amdgpu_device *adev, struct amdgpu_vm *vm,
			  struct dma_fence **fence)
{
	return 0;
}

int amdgpu_vm_update_pdes(struct amdgpu_device *adev, struct amdgpu_vm *vm, bool immediate)
{
	return 0;
}

int amdgpu_vm_handle_moved(struct amdgpu_device *adev, struct amdgpu_vm *vm,
			   struct ww_acquire_ctx *ticket)
{
	return 0;
}

int amdgpu_vm_flush_compute_tlb(struct amdgpu_device *adev, struct amdgpu_vm *vm,
				uint32_t flush_type, uint32_t xcc_mask)
{
	mock_hw_sync(&adev_to_host(adev)->md);
	return 0;
}

int amdgpu_vm_make_compute(struct amdgpu_device *adev, struct amdgpu_vm *vm)
{
	int ret = mock_svm_acquire(adev_to_host(adev), to_mock_vm(vm));

	if (!ret)
		vm->is_compute_context = true;
	return ret;
}

void amdgpu_vm_release_compute(struct amdgpu_device *adev, struct amdgpu_vm *vm)
{
	amdgpu_vm_set_pasid(adev, vm, 0);
	mock_svm_release(to_mock_vm(vm));
	vm->is_compute_context = false;
}

int amdgpu_vm_set_pasid(struct amdgpu_device *adev, struct amdgpu_vm *vm, u32 pasid)
{
	int ret;

	if (vm->pasid == pasid)
		return 0;
	if (vm->pasid) {
		xa_erase_irq(&adev->vm_manager.pasids, vm->pasid);
		vm->pasid = 0;
	}
	if (pasid) {
		ret = xa_err(xa_store_irq(&adev->vm_manager.pasids, pasid, vm, GFP_KERNEL));
		if (ret)
			return ret;
		vm->pasid = pasid;
	}
	return 0;
}

static void mock_task_info_free(struct kref *kref)
{
	kfree(container_of(kref, struct amdgpu_task_info, refcount));
}

void amdgpu_vm_put_task_info(struct amdgpu_task_info *task_info)
{
	if (task_info)
		kref_put(&task_info->refcount, mock_task_info_free);
}

struct amdgpu_task_info *amdgpu_vm_get_task_info_pasid(struct amdgpu_device *adev, u32 pasid)
{
	struct amdgpu_task_info *info = NULL;
	struct amdgpu_vm *vm;
	unsigned long flags;

	xa_lock_irqsave(&adev->vm_manager.pasids, flags);
	vm = xa_load(&adev->vm_manager.pasids, pasid);
	if (vm && vm->task_info) {
		info = vm->task_info;
		kref_get(&info->refcount);
	}
	xa_unlock_irqrestore(&adev->vm_manager.pasids, flags);
	return info;
}

void amdgpu_vm_set_task_info(struct amdgpu_vm *vm)
{
	if (!vm->task_info) {
		struct amdgpu_task_info *info = kzalloc(sizeof(*info), GFP_KERNEL);

		if (!info)
			return;
		kref_init(&info->refcount);
		vm->task_info = info;
	}
	vm->task_info->pid = current->pid;
	get_task_comm(vm->task_info->task_name, current);
	vm->task_info->tgid = current->group_leader->pid;
	get_task_comm(vm->task_info->process_name, current->group_leader);
}

uint64_t amdgpu_gem_va_map_flags(struct amdgpu_device *adev, uint32_t flags)
{
	uint64_t pte = 0;

	if (flags & AMDGPU_VM_PAGE_EXECUTABLE)
		pte |= AMDGPU_PTE_EXECUTABLE;
	if (flags & AMDGPU_VM_PAGE_READABLE)
		pte |= AMDGPU_PTE_READABLE;
	if (flags & AMDGPU_VM_PAGE_WRITEABLE)
		pte |= AMDGPU_PTE_WRITEABLE;
	return pte;
}

static vm_fault_t mock_bo_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *obj = vmf->vma->vm_private_data;
	struct mock_bo *mbo = to_mock_bo(gem_to_amdgpu_bo(obj));
	pgoff_t index = (vmf->address - vmf->vma->vm_start) >> PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_OOM;
	struct page *page;

	index += vmf->vma->vm_pgoff - drm_vma_node_start(&obj->vma_node);
	if (index >= obj->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	/* against mock_bo_move() */
	if (dma_resv_lock_interruptible(obj->resv, NULL))
		return VM_FAULT_NOPAGE;
	page = mock_bo_page(mbo, index, GFP_KERNEL);
	if (page)
		ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	dma_resv_unlock(obj->resv);
	return ret;
}

static const struct vm_operations_struct mock_bo_vm_ops = {
	.fault = mock_bo_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static int mock_bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct mock_bo *mbo = to_mock_bo(gem_to_amdgpu_bo(obj));

	if (mbo->mm)
		return -EPERM;
	if (mbo->ubo.bo.tbo.type != ttm_bo_type_device)
		return -EINVAL;
	/* the thunk's workaround for PROT_NONE, MAP_PRIVATE: see amdgpu_gem.c */
	if (is_cow_mapping(vma->vm_flags) && !(vma->vm_flags & VM_ACCESS_FLAGS))
		vm_flags_clear(vma, VM_MAYWRITE);
	if (is_cow_mapping(vma->vm_flags))
		return -EINVAL;
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static void mock_bo_unbind_gart(struct mock_bo *mbo)
{
	struct mock_host *host = bo_to_host(&mbo->ubo.bo);

	if (!drm_mm_node_allocated(&mbo->gart_node))
		return;
	mock_hw_gart_gone(&host->md, mbo->gart_node.start, mbo->gart_node.size);
	mock_vm_erase(&host->md.gart, &mbo->gart_map);
	mutex_lock(&host->gart_lock);
	drm_mm_remove_node(&mbo->gart_node);
	mutex_unlock(&host->gart_lock);
}

static void mock_bo_free(struct drm_gem_object *obj)
{
	struct amdgpu_bo *bo = gem_to_amdgpu_bo(obj);
	struct mock_bo *mbo = to_mock_bo(bo);
	struct mock_host *host = bo_to_host(bo);
	struct page *page;
	unsigned long i;

	if (bo->vm_bo)
		mock_violation(&host->md, "a BO is freed that a VM still holds");
	if (bo->kfd_bo)
		amdgpu_amdkfd_release_notify(bo);
	amdgpu_bo_kunmap(bo);
	mock_bo_unbind_gart(mbo);
	if (mbo->doorbell >= 0) {
		memset(host->md.doorbell + (mbo->doorbell << PAGE_SHIFT), 0xff, obj->size);
		mutex_lock(&host->doorbell_lock);
		bitmap_clear(host->doorbell_map, mbo->doorbell, obj->size >> PAGE_SHIFT);
		mutex_unlock(&host->doorbell_lock);
	}
	amdgpu_hmm_unregister(bo);
	drm_gem_free_mmap_offset(obj);
	drm_gem_object_release(obj);
	xa_for_each(&mbo->pages, i, page)
		__free_page(page);
	xa_destroy(&mbo->pages);
	mock_svm_bo_fini(host, mbo);
	kvfree(mbo->tt.pages);
	amdgpu_bo_unref(&bo->parent);
	kfree(mbo->ubo.metadata);
	kfree(mbo);
}

/* All pages of a BO, made present. To be freed with kvfree(). */
static struct page **mock_bo_pages(struct mock_bo *mbo)
{
	unsigned long i, n = amdgpu_bo_size(&mbo->ubo.bo) >> PAGE_SHIFT;
	struct page **pages;

	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	for (i = 0; i < n; i++) {
		pages[i] = mock_bo_page(mbo, i, GFP_KERNEL);
		if (!pages[i]) {
			kvfree(pages);
			return NULL;
		}
	}
	return pages;
}

const struct dma_buf_ops amdgpu_dmabuf_ops = {
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
};

static struct dma_buf *mock_bo_export(struct drm_gem_object *obj, int flags)
{
	struct mock_bo *mbo = to_mock_bo(gem_to_amdgpu_bo(obj));
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &amdgpu_dmabuf_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	if (mbo->mm || mbo->ubo.bo.tbo.type != ttm_bo_type_device)
		return ERR_PTR(-EPERM);
	return drm_gem_dmabuf_export(obj->dev, &info);
}

static struct sg_table *mock_bo_sg_table(struct drm_gem_object *obj)
{
	struct page **pages = mock_bo_pages(to_mock_bo(gem_to_amdgpu_bo(obj)));
	struct sg_table *sg;

	if (!pages)
		return ERR_PTR(-ENOMEM);
	sg = drm_prime_pages_to_sg(obj->dev, pages, obj->size >> PAGE_SHIFT);
	kvfree(pages);
	return sg;
}

/* Of the same GPU only. Others of the hive share the BO without DMA-buf. */
struct drm_gem_object *amdgpu_gem_prime_import(struct drm_device *dev, struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = dma_buf->priv;

	if (dma_buf->ops != &amdgpu_dmabuf_ops || obj->dev != dev)
		return ERR_PTR(-EOPNOTSUPP);
	drm_gem_object_get(obj);
	return obj;
}

static const struct drm_gem_object_funcs mock_bo_funcs = {
	.free = mock_bo_free,
	.export = mock_bo_export,
	.get_sg_table = mock_bo_sg_table,
	.mmap = mock_bo_mmap,
	.vm_ops = &mock_bo_vm_ops,
};

static u32 mock_domain_to_mem_type(u32 domain, u64 flags)
{
	if (domain & AMDGPU_GEM_DOMAIN_VRAM)
		return TTM_PL_VRAM;
	if (domain & AMDGPU_GEM_DOMAIN_GTT)
		return flags & AMDGPU_GEM_CREATE_PREEMPTIBLE ? AMDGPU_PL_PREEMPT : TTM_PL_TT;
	if (domain & AMDGPU_GEM_DOMAIN_DOORBELL)
		return AMDGPU_PL_DOORBELL;
	if (domain & AMDGPU_GEM_DOMAIN_GWS)
		return AMDGPU_PL_GWS;
	return TTM_PL_SYSTEM;
}

static int mock_bo_alloc(struct amdgpu_device *adev, struct amdgpu_bo_param *bp,
			 struct amdgpu_bo **bo_ptr)
{
	struct mock_host *host = adev_to_host(adev);
	unsigned long size = bp->size;
	struct amdgpu_bo *bo;
	struct mock_bo *mbo;
	int ret;

	*bo_ptr = NULL;
	/* as amdgpu_bo_create(): units of GWS count as pages */
	if (bp->domain & AMDGPU_GEM_DOMAIN_GWS)
		size <<= PAGE_SHIFT;
	size = PAGE_ALIGN(size);
	if (!size)
		return -EINVAL;
	/* as ttm_tt does */
	if (size >> PAGE_SHIFT > U32_MAX)
		return -ENOMEM;

	mbo = kzalloc(sizeof(*mbo), GFP_KERNEL);
	if (!mbo)
		return -ENOMEM;
	bo = &mbo->ubo.bo;
	xa_init(&mbo->pages);
	spin_lock_init(&mbo->lock);
	mbo->doorbell = -1;
	if (bp->domain & AMDGPU_GEM_DOMAIN_DOORBELL) {
		unsigned long map_size = host->md.doorbell_size >> PAGE_SHIFT;

		mutex_lock(&host->doorbell_lock);
		mbo->doorbell = bitmap_find_next_zero_area(host->doorbell_map, map_size, 0,
							   size >> PAGE_SHIFT, 0);
		if (mbo->doorbell < map_size)
			bitmap_set(host->doorbell_map, mbo->doorbell, size >> PAGE_SHIFT);
		mutex_unlock(&host->doorbell_lock);
		if (mbo->doorbell >= map_size) {
			kfree(mbo);
			return -ENOSPC;
		}
	}

	drm_gem_private_object_init(adev_to_drm(adev), &bo->tbo.base, size);
	bo->tbo.base.funcs = &mock_bo_funcs;
	if (bp->resv)
		bo->tbo.base.resv = bp->resv;
	bo->tbo.bdev = &adev->mman.bdev;
	bo->tbo.type = bp->type;
	kref_init(&bo->tbo.kref);
	mbo->tt.num_pages = size >> PAGE_SHIFT;
	mbo->tt.caching = ttm_cached;
	bo->tbo.ttm = &mbo->tt;
	bo->tbo.resource = &mbo->res;
	mbo->res.size = size;
	mbo->res.mem_type = mock_domain_to_mem_type(bp->domain, bp->flags);
	mbo->res.bo = &bo->tbo;
	bo->preferred_domains = bp->preferred_domain ?: bp->domain;
	bo->allowed_domains = bo->preferred_domains;
	if (bp->type != ttm_bo_type_kernel && bo->allowed_domains == AMDGPU_GEM_DOMAIN_VRAM)
		bo->allowed_domains |= AMDGPU_GEM_DOMAIN_GTT;
	bo->flags = bp->flags;
	bo->xcp_id = bp->xcp_id_plus1 ? bp->xcp_id_plus1 - 1 : 0;

	if (bp->type == ttm_bo_type_device && !(bp->domain & AMDGPU_GEM_DOMAIN_GWS)) {
		ret = drm_gem_create_mmap_offset(&bo->tbo.base);
		if (ret) {
			drm_gem_object_put(&bo->tbo.base);
			return ret;
		}
	}
	/* in amdkfd only BOs of SVM are */
	if (bp->flags & AMDGPU_GEM_CREATE_DISCARDABLE) {
		ret = mock_svm_bo_init(host, mbo);
		if (ret) {
			drm_gem_object_put(&bo->tbo.base);
			return ret;
		}
	}
	*bo_ptr = bo;
	return 0;
}

int amdgpu_bo_create(struct amdgpu_device *adev, struct amdgpu_bo_param *bp,
		     struct amdgpu_bo **bo_ptr)
{
	return mock_bo_alloc(adev, bp, bo_ptr);
}

int amdgpu_bo_create_user(struct amdgpu_device *adev, struct amdgpu_bo_param *bp,
			  struct amdgpu_bo_user **ubo_ptr)
{
	struct amdgpu_bo *bo;
	int ret = mock_bo_alloc(adev, bp, &bo);

	if (!ret)
		*ubo_ptr = to_amdgpu_bo_user(bo);
	return ret;
}

int amdgpu_gem_object_create(struct amdgpu_device *adev, unsigned long size, int alignment,
			     u32 initial_domain, u64 flags, enum ttm_bo_type type,
			     struct dma_resv *resv, struct drm_gem_object **obj,
			     int8_t xcp_id_plus1)
{
	struct amdgpu_bo_param bp = {
		.size = size,
		.byte_align = alignment,
		.domain = initial_domain,
		.preferred_domain = initial_domain,
		.flags = flags,
		.type = type,
		.resv = resv,
		.xcp_id_plus1 = xcp_id_plus1,
	};
	struct amdgpu_bo *bo;
	int ret;

	*obj = NULL;
	ret = mock_bo_alloc(adev, &bp, &bo);
	if (!ret)
		*obj = &bo->tbo.base;
	return ret;
}

struct amdgpu_bo *amdgpu_bo_ref(struct amdgpu_bo *bo)
{
	if (bo)
		drm_gem_object_get(&bo->tbo.base);
	return bo;
}

void amdgpu_bo_unref(struct amdgpu_bo **bo)
{
	if (!*bo)
		return;
	drm_gem_object_put(&(*bo)->tbo.base);
	*bo = NULL;
}

void amdgpu_bo_placement_from_domain(struct amdgpu_bo *bo, u32 domain)
{
	bo->placements[0].mem_type = mock_domain_to_mem_type(domain, bo->flags);
	bo->placement.placement = bo->placements;
	bo->placement.num_placement = 1;
}

/* To other pages, with nothing of the GPU's or the CPU's page tables left */
static int mock_bo_move(struct amdgpu_bo *bo, u32 mem_type)
{
	struct mock_bo *mbo = to_mock_bo(bo);
	struct amdgpu_vm_bo_base *base;
	struct page *page, *to;
	unsigned long i;

	dma_resv_assert_held(bo->tbo.base.resv);
	for (base = bo->vm_bo; base; base = base->next) {
		struct amdgpu_bo_va *bo_va = container_of(base, struct amdgpu_bo_va, base);
		struct mock_vm *vm = to_mock_vm(base->vm);
		struct amdgpu_bo_va_mapping *map;

		/* no access is in progress */
		spin_lock(&vm->lock);
		list_for_each_entry(map, &bo_va->valids, list)
			to_mock_mapping(map)->pte = false;
		spin_unlock(&vm->lock);
	}
	drm_vma_node_unmap(&bo->tbo.base.vma_node,
			   adev_to_drm(&bo_to_host(bo)->adev)->anon_inode->i_mapping);
	xa_for_each(&mbo->pages, i, page) {
		to = alloc_page(GFP_KERNEL | __GFP_NOWARN);
		if (!to)
			return -ENOMEM;
		copy_highpage(to, page);
		/* there is an entry, so it needs no memory */
		xa_store(&mbo->pages, i, to, GFP_KERNEL);
		__free_page(page);
		cond_resched();
	}
	bo->tbo.resource->mem_type = mem_type;
	return 0;
}

int ttm_bo_validate(struct ttm_buffer_object *bo, struct ttm_placement *placement,
		    struct ttm_operation_ctx *ctx)
{
	u32 mem_type = placement->placement[0].mem_type;

	dma_resv_assert_held(bo->base.resv);
	if (mem_type == TTM_PL_VRAM && bo->resource->mem_type != mem_type)
		return mock_bo_move(ttm_to_amdgpu_bo(bo), mem_type);
	bo->resource->mem_type = mem_type;
	return 0;
}

/* As TTM, but that waits without the lock: see mock_bo_fault() */
static int mock_bo_evict(struct amdgpu_bo *bo)
{
	struct amdgpu_reset_domain *domain = &bo_to_host(bo)->reset_domain;
	struct dma_resv *resv = bo->tbo.base.resv;
	bool idle;
	int ret;

	do {
		long left = dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, true, 10 * HZ);

		if (left <= 0)
			return left ?: -ETIME;
		/* amdkfd signals its fence before a reset has stopped the waves */
		down_read(&domain->sem);
		dma_resv_lock(resv, NULL);
		idle = dma_resv_test_signaled(resv, DMA_RESV_USAGE_BOOKKEEP);
		ret = 0;
		if (idle && bo->tbo.resource->mem_type == TTM_PL_VRAM)
			ret = mock_bo_move(bo, TTM_PL_TT);
		dma_resv_unlock(resv);
		up_read(&domain->sem);
	} while (!idle);
	return ret;
}

/**
 * mock_mem_evict - move BOs of a process out of VRAM, as TTM for want of it
 * @host: the mock GPU
 * @mm: of the process; the caller holds mm_users
 *
 * TTM waits for the eviction fence, for which amdkfd stops the queues of the process; it
 * moves the BOs back and lets the queues go on PROCESS_RESTORE_TIME_MS later.
 *
 * Context: process, no locks held. Sleeps.
 * Return: 0, -ESRCH if the process has no memory of a GPU, -ENOENT if none of it is in
 * this GPU's VRAM, -ETIME if amdkfd does not stop the queues, or another negative errno.
 */
int mock_mem_evict(struct mock_host *host, struct mm_struct *mm)
{
	struct kfd_process *p = kfd_lookup_process_by_mm(mm);
	struct amdkfd_process_info *info;
	struct amdgpu_bo **bos;
	unsigned int i, n = 0;
	struct kgd_mem *mem;
	int ret = -ENOENT;

	if (!p)
		return -ESRCH;
	info = READ_ONCE(p->kgd_process_info);
	if (!info) {
		kfd_unref_process(p);
		return -ESRCH;
	}

	mutex_lock(&info->lock);
	bos = kvcalloc(list_count_nodes(&info->kfd_bo_list), sizeof(*bos), GFP_KERNEL);
	list_for_each_entry(mem, &info->kfd_bo_list, validate_list) {
		if (bos && mem->bo->tbo.resource->mem_type == TTM_PL_VRAM &&
		    !mem->bo->tbo.pin_count && bo_to_host(mem->bo) == host)
			bos[n++] = amdgpu_bo_ref(mem->bo);
	}
	mutex_unlock(&info->lock);
	if (!bos)
		ret = -ENOMEM;

	for (i = 0; i < n; i++) {
		if (!i || !ret)
			ret = mock_bo_evict(bos[i]);
		amdgpu_bo_unref(&bos[i]);
	}
	kvfree(bos);
	kfd_unref_process(p);
	return ret;
}

void ttm_bo_move_to_lru_tail(struct ttm_buffer_object *bo)
{
}

/* TTM's is half of the memory; here a BO costs nothing until it is touched. */
unsigned long ttm_tt_pages_limit(void)
{
	return SZ_1T >> PAGE_SHIFT;
}

int amdgpu_bo_pin(struct amdgpu_bo *bo, u32 domain)
{
	struct mock_bo *mbo = to_mock_bo(bo);

	if (mbo->mm)
		return -EPERM;
	bo->tbo.pin_count++;
	mbo->res.mem_type = mock_domain_to_mem_type(domain, bo->flags);
	return 0;
}

void amdgpu_bo_unpin(struct amdgpu_bo *bo)
{
	if (WARN_ON_ONCE(!bo->tbo.pin_count))
		return;
	if (!--bo->tbo.pin_count)
		mock_bo_unbind_gart(to_mock_bo(bo));
}

int amdgpu_bo_sync_wait(struct amdgpu_bo *bo, void *owner, bool intr)
{
	return 0;
}

int amdgpu_bo_kmap(struct amdgpu_bo *bo, void **ptr)
{
	struct mock_bo *mbo = to_mock_bo(bo);
	unsigned long n = bo->tbo.base.size >> PAGE_SHIFT;
	struct page **pages;

	if (mbo->doorbell >= 0) {
		if (ptr)
			*ptr = bo_to_host(bo)->md.doorbell + (mbo->doorbell << PAGE_SHIFT);
		return 0;
	}
	if (mbo->kaddr)
		goto out;

	pages = mock_bo_pages(mbo);
	if (!pages)
		return -ENOMEM;
	mbo->kaddr = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!mbo->kaddr)
		return -ENOMEM;
out:
	if (ptr)
		*ptr = mbo->kaddr;
	return 0;
}

void amdgpu_bo_kunmap(struct amdgpu_bo *bo)
{
	struct mock_bo *mbo = to_mock_bo(bo);

	vunmap(mbo->kaddr);
	mbo->kaddr = NULL;
}

int amdgpu_ttm_alloc_gart(struct ttm_buffer_object *tbo)
{
	struct amdgpu_bo *bo = ttm_to_amdgpu_bo(tbo);
	struct mock_bo *mbo = to_mock_bo(bo);
	struct mock_host *host = bo_to_host(bo);
	int ret;

	if (drm_mm_node_allocated(&mbo->gart_node))
		return 0;

	mutex_lock(&host->gart_lock);
	ret = drm_mm_insert_node(&host->gart_mm, &mbo->gart_node, amdgpu_bo_size(bo));
	mutex_unlock(&host->gart_lock);
	if (ret)
		return ret;

	mbo->gart_va.base.bo = bo;
	mbo->gart_map.base.bo_va = &mbo->gart_va;
	mbo->gart_map.base.start = mbo->gart_node.start >> AMDGPU_GPU_PAGE_SHIFT;
	mbo->gart_map.base.last = mbo->gart_map.base.start +
				  (amdgpu_bo_size(bo) >> AMDGPU_GPU_PAGE_SHIFT) - 1;
	mbo->gart_map.base.offset = 0;
	mbo->gart_map.base.flags = AMDGPU_PTE_READABLE | AMDGPU_PTE_WRITEABLE;
	mbo->gart_map.pte = true;
	WARN_ON(!mock_vm_insert(&host->md.gart, &mbo->gart_map));
	return 0;
}

u64 amdgpu_bo_gpu_offset(struct amdgpu_bo *bo)
{
	struct mock_bo *mbo = to_mock_bo(bo);

	if (mbo->doorbell >= 0)
		return (u64)mbo->doorbell << PAGE_SHIFT;
	return drm_mm_node_allocated(&mbo->gart_node) ? mbo->gart_node.start :
							 AMDGPU_BO_INVALID_OFFSET;
}

int amdgpu_bo_create_kernel(struct amdgpu_device *adev, unsigned long size, int align, u32 domain,
			    struct amdgpu_bo **bo_ptr, u64 *gpu_addr, void **cpu_addr)
{
	struct amdgpu_bo_param bp = {
		.size = size,
		.byte_align = align,
		.domain = domain,
		.type = ttm_bo_type_kernel,
	};
	int ret;

	ret = amdgpu_bo_create(adev, &bp, bo_ptr);
	if (ret)
		return ret;
	(*bo_ptr)->tbo.pin_count++;
	if (domain & AMDGPU_GEM_DOMAIN_GTT)
		ret = amdgpu_ttm_alloc_gart(&(*bo_ptr)->tbo);
	if (!ret && cpu_addr)
		ret = amdgpu_bo_kmap(*bo_ptr, cpu_addr);
	if (ret) {
		amdgpu_bo_unref(bo_ptr);
		return ret;
	}
	if (gpu_addr)
		*gpu_addr = amdgpu_bo_gpu_offset(*bo_ptr);
	return 0;
}

void amdgpu_bo_free_kernel(struct amdgpu_bo **bo, u64 *gpu_addr, void **cpu_addr)
{
	if (!*bo)
		return;
	amdgpu_bo_kunmap(*bo);
	amdgpu_bo_unpin(*bo);
	amdgpu_bo_unref(bo);
	if (gpu_addr)
		*gpu_addr = 0;
	if (cpu_addr)
		*cpu_addr = NULL;
}

int amdgpu_bo_get_metadata(struct amdgpu_bo *bo, void *buffer, size_t buffer_size,
			   uint32_t *metadata_size, uint64_t *flags)
{
	if (metadata_size)
		*metadata_size = 0;
	if (flags)
		*flags = 0;
	return 0;
}

uint32_t amdgpu_doorbell_index_on_bar(struct amdgpu_device *adev, struct amdgpu_bo *db_bo,
				      uint32_t doorbell_index, uint32_t db_size)
{
	/* doorbells are 64 bits wide, the index counts dwords */
	return amdgpu_bo_gpu_offset(db_bo) / sizeof(u32) +
	       doorbell_index * DIV_ROUND_UP(db_size, 4);
}

int amdgpu_ttm_tt_set_userptr(struct ttm_buffer_object *tbo, uint64_t addr, uint32_t flags)
{
	struct mock_bo *mbo = to_mock_bo(ttm_to_amdgpu_bo(tbo));

	mbo->tt.pages = kvcalloc(mbo->tt.num_pages, sizeof(*mbo->tt.pages), GFP_KERNEL);
	if (!mbo->tt.pages)
		return -ENOMEM;
	mbo->user_addr = addr;
	/* no page belongs to this generation yet */
	mbo->gen = 1;
	mbo->mm = current->mm;
	return 0;
}

int amdgpu_ttm_tt_get_userptr(const struct ttm_buffer_object *tbo, uint64_t *user_addr)
{
	struct mock_bo *mbo = to_mock_bo(container_of(tbo, struct amdgpu_bo, tbo));

	*user_addr = mbo->user_addr;
	return 0;
}

struct mm_struct *amdgpu_ttm_tt_get_usermm(struct ttm_tt *ttm)
{
	return ttm ? container_of(ttm, struct mock_bo, tt)->mm : NULL;
}

int amdgpu_ttm_tt_get_user_pages(struct amdgpu_bo *bo, struct page **pages,
				 struct hmm_range **range)
{
	struct mock_bo *mbo = to_mock_bo(bo);
	unsigned long start = mbo->user_addr;
	struct mm_struct *mm = bo->notifier.mm;
	struct vm_area_struct *vma;
	u64 gen;
	int ret;

	/* set before anything else, as callers expect of the real one */
	*range = NULL;
	if (!mm || !mmget_not_zero(mm))
		return mm ? -ESRCH : -EFAULT;

	spin_lock(&mbo->lock);
	gen = mbo->gen;
	spin_unlock(&mbo->lock);

	mmap_read_lock(mm);
	vma = vma_lookup(mm, start);
	if (!vma)
		ret = -EFAULT;
	else
		ret = amdgpu_hmm_range_get_pages(&bo->notifier, start, mbo->tt.num_pages, false,
						 NULL, NULL, range);
	mmap_read_unlock(mm);

	if (!ret) {
		unsigned long i;

		spin_lock(&mbo->lock);
		for (i = 0; i < mbo->tt.num_pages; i++)
			pages[i] = hmm_pfn_to_page((*range)->hmm_pfns[i]);
		mbo->pages_gen = gen;
		spin_unlock(&mbo->lock);
	}
	mmput(mm);
	return ret;
}

void amdgpu_ttm_tt_discard_user_pages(struct ttm_tt *ttm, struct hmm_range *range)
{
	if (range)
		amdgpu_hmm_range_get_pages_done(range);
}

bool amdgpu_ttm_tt_get_user_pages_done(struct ttm_tt *ttm, struct hmm_range *range)
{
	return range && !amdgpu_hmm_range_get_pages_done(range);
}

/*
 * Called from the MMU notifier of amdgpu_hmm.o in place of the real one (ld
 * --wrap). The real one stops the queues, whose waves may be saved to this very
 * memory; amdgpu relies on that alone. Here the pages are taken away as well, so
 * that an access by a queue that was not stopped is a fault and not a write to
 * somebody else's page.
 */
int __wrap_amdgpu_amdkfd_evict_userptr(struct mmu_interval_notifier *mni, unsigned long cur_seq,
				       struct kgd_mem *mem)
{
	struct amdgpu_bo *bo = container_of(mni, struct amdgpu_bo, notifier);
	int ret = __real_amdgpu_amdkfd_evict_userptr(mni, cur_seq, mem);
	struct mock_bo *mbo = to_mock_bo(bo);

	spin_lock(&mbo->lock);
	mbo->gen++;
	spin_unlock(&mbo->lock);
	mock_hw_sync(&bo_to_host(bo)->md);
	return ret;
}

/**
 * mock_mem_init - set up the memory of a mock GPU
 * @host: the mock GPU
 *
 * Return: 0 or a negative errno.
 */
int mock_mem_init(struct mock_host *host)
{
	struct amdgpu_device *adev = &host->adev;

	mutex_init(&host->gart_lock);
	mutex_init(&host->doorbell_lock);
	drm_mm_init(&host->gart_mm, MOCK_GART_START, MOCK_GART_SIZE);
	host->doorbell_map = bitmap_zalloc(host->md.doorbell_size >> PAGE_SHIFT, GFP_KERNEL);
	if (!host->doorbell_map) {
		drm_mm_takedown(&host->gart_mm);
		return -ENOMEM;
	}
	/* amdgpu's own doorbells: see aqua_vanjaram_doorbell_index_init() */
	bitmap_set(host->doorbell_map, 0,
		   DIV_ROUND_UP(adev->doorbell.num_kernel_doorbells * sizeof(u32), PAGE_SIZE));
	INIT_LIST_HEAD(&host->md.vms);
	spin_lock_init(&host->md.vms_lock);
	mock_vm_setup(&host->md, &host->md.gart);
	adev->gmc.gart_start = MOCK_GART_START;
	adev->gmc.gart_end = MOCK_GART_START + MOCK_GART_SIZE - 1;
	return 0;
}

/**
 * mock_mem_fini - undo mock_mem_init()
 * @host: the mock GPU
 */
void mock_mem_fini(struct mock_host *host)
{
	drm_mm_takedown(&host->gart_mm);
	bitmap_free(host->doorbell_map);
}
