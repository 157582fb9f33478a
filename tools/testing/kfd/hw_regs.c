// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: registers, and what else the real
 * amdgpu_amdkfd_gc_9_4_3.c and amdgpu_amdkfd_gfx_v9.c find below them.
 *
 * Offsets are those of gc_9_4_3_offset.h and its like. The bases are those that
 * the dumps of an MI308X show for XCC 0; the other XCCs follow at a distance
 * that makes them easy to tell apart.
 */

#include <linux/delay.h>
#include <linux/slab.h>
#include "hw.h"
#include "gc/gc_9_4_3_offset.h"
#include "gc/gc_9_4_3_sh_mask.h"
#include "athub/athub_1_8_0_offset.h"
#include "oss/osssys_4_4_2_offset.h"
#include "soc15.h"
#include "soc15d.h"

#define ATHUB_BASE	0x00c00
#define OSSSYS_BASE	0x010a0
#define GC_BASE		0x02000		/* segment 0 */
#define GC_BASE1	0x0a000		/* segment 1 */
#define XCC_SHIFT	20		/* from one XCC to the next */
#define SDMA_BASE	(MOCK_MAX_XCC << XCC_SHIFT)

#define GC_REGS		(GC_BASE1 - GC_BASE)
#define SEGMENTS	6

#define HQD_FIRST	MOCK_REG(CP_MQD_BASE_ADDR)
#define HQD_LAST	MOCK_REG(CP_HQD_AQL_DISPATCH_ID_HI)

/* SQ_CMD.CMD, vega10_enum.h: SQ_IND_CMD_CMD_KILL */
#define SQ_CMD_KILL	3

static struct mock_hw *to_hw(struct amdgpu_device *adev)
{
	return mock_from_adev(adev)->hw;
}

/* The HQD that GRBM_GFX_CNTL selects, NULL unless it is one for user queues. */
static struct mock_hqd *selected(struct mock_xcc *xcc)
{
	if (xcc->me != 1 || xcc->pipe >= MOCK_PIPES || xcc->queue >= MOCK_QUEUES)
		return NULL;
	return &xcc->hqd[xcc->pipe * MOCK_QUEUES + xcc->queue];
}

static u32 hqd_read(struct mock_hw *hw, struct mock_xcc *xcc, u32 reg)
{
	u32 dw = MQD_HQD_FIRST + reg - HQD_FIRST;
	struct mock_hqd *h = selected(xcc);

	if (h) {
		mock_hqd_refresh(h);
		return h->reg[dw];
	}
	if (xcc->me == 2 && !xcc->pipe && !xcc->queue)
		return xcc->hiq[dw];
	return 0;
}

static void hqd_write(struct mock_hw *hw, struct mock_xcc *xcc, u32 reg, u32 val)
{
	u32 dw = MQD_HQD_FIRST + reg - HQD_FIRST;
	struct mock_hqd *h = selected(xcc);
	u64 mqd;

	if (!h) {
		if (xcc->me == 2 && !xcc->pipe && !xcc->queue)
			xcc->hiq[dw] = val;
		return;
	}

	if (h->state == HQD_OFF) {
		h->reg[dw] = val;
		if (reg != MOCK_REG(CP_HQD_ACTIVE) || !(val & 1))
			return;
		hw->stats.hqd_loads++;
		/* PRELOAD_REQ: CP fetches the SH registers from the MQD */
		mqd = HQD_REG64(h, cp_mqd_base_addr);
		if (mock_mem_read(&hw->md->gart, mqd, h->reg, MQD_HQD_FIRST * 4)) {
			mock_violation(hw->md, "xcc %u pipe %u queue %u: no MQD at %llx",
				       h->xcc, xcc->pipe, xcc->queue, mqd);
			h->reg[dw] = 0;
			return;
		}
		h->q->hws = false;
		h->q->is_static = false;
		mock_hqd_load(hw, h);
		return;
	}

	switch (reg) {
	case MOCK_REG(CP_HQD_DEQUEUE_REQUEST):
		if (h->q->hws)
			mock_violation(hw->md,
				       "xcc %u pipe %u queue %u: dequeue request for a queue of HWS",
				       h->xcc, xcc->pipe, xcc->queue);
		hw->stats.hqd_dequeues++;
		mock_hqd_dequeue(hw, h, val, hw->now);
		break;
	case MOCK_REG(CP_MQD_BASE_ADDR):
		mock_violation(hw->md,
			       "xcc %u pipe %u queue %u is loaded while a queue is active there",
			       h->xcc, xcc->pipe, xcc->queue);
		break;
	}
}

/* SPI counts the waves of each shader engine; they are spread evenly. */
static u32 waves_of_se(struct mock_hw *hw, struct mock_xcc *xcc, u32 waves)
{
	u32 ses = max(hw->md->adev->gfx.config.max_shader_engines, 1U);
	u32 se = (xcc->gfx_index & GRBM_GFX_INDEX__SE_INDEX_MASK) >>
		GRBM_GFX_INDEX__SE_INDEX__SHIFT;

	if (xcc->gfx_index & GRBM_GFX_INDEX__SE_BROADCAST_WRITES_MASK)
		return waves;
	return waves / ses + (se < waves % ses);
}

static u32 gc_read(struct mock_hw *hw, struct mock_xcc *xcc, u32 reg)
{
	struct mock_hqd *h;
	u32 i, val = 0;

	switch (reg) {
	case HQD_FIRST ... HQD_LAST:
		return hqd_read(hw, xcc, reg);
	case MOCK_REG(SPI_CSQ_WF_ACTIVE_STATUS):
		for (i = 0; i < MOCK_HQDS; i++)
			if (xcc->hqd[i].state != HQD_OFF)
				val |= 1U << i;
		return val;
	case MOCK_REG(SPI_CSQ_WF_ACTIVE_COUNT_0) ... MOCK_REG(SPI_CSQ_WF_ACTIVE_COUNT_7):
		if (xcc->me != 1 || xcc->pipe >= MOCK_PIPES)
			return 0;
		i = reg - MOCK_REG(SPI_CSQ_WF_ACTIVE_COUNT_0);
		h = &xcc->hqd[xcc->pipe * MOCK_QUEUES + i];
		return waves_of_se(hw, xcc, h->waves);
	}
	return xcc->regs[reg];
}

static void kill_vmid(struct mock_hw *hw, struct mock_xcc *xcc, u32 cmd)
{
	u32 vmid = (cmd & SQ_CMD__VM_ID_MASK) >> SQ_CMD__VM_ID__SHIFT;
	u32 i;

	if ((cmd & SQ_CMD__CMD_MASK) != SQ_CMD_KILL)
		return;
	for (i = 0; i < MOCK_HQDS; i++)
		if (xcc->hqd[i].state != HQD_OFF && xcc->hqd[i].q->vmid == vmid)
			mock_kill(hw, &xcc->hqd[i]);
}

static void gc_write(struct mock_hw *hw, struct mock_xcc *xcc, u32 reg, u32 val)
{
	struct mock_hqd *h;
	u32 i;

	switch (reg) {
	case HQD_FIRST ... HQD_LAST:
		hqd_write(hw, xcc, reg, val);
		return;
	case MOCK_REG(SPI_COMPUTE_QUEUE_RESET):
		h = selected(xcc);
		if (val && h && h->state != HQD_OFF)
			mock_hqd_reset(hw, h);
		return;
	case MOCK_REG(CP_MEC_CNTL):
		for (i = 0; i < MOCK_HQDS; i++)
			if (val & CP_MEC_CNTL__MEC_ME1_PIPE0_RESET_MASK <<
			    i / MOCK_QUEUES && xcc->hqd[i].state != HQD_OFF)
				mock_hqd_reset(hw, &xcc->hqd[i]);
		return;
	case MOCK_REG(SQ_CMD):
		kill_vmid(hw, xcc, val);
		return;
	}
	xcc->regs[reg] = val;
}

static u32 *hub_reg(struct mock_hw *hw, u32 reg)
{
	u32 atc = reg - ATHUB_BASE - MOCK_REG(ATC_VMID0_PASID_MAPPING);
	u32 ih = reg - OSSSYS_BASE;

	if (reg == ATHUB_BASE + MOCK_REG(ATC_VMID_PASID_MAPPING_UPDATE_STATUS))
		return &hw->atc_status;
	if (atc < MOCK_VMIDS)
		return &hw->atc[atc];
	if (ih < ARRAY_SIZE(hw->ih))
		return &hw->ih[ih];
	return NULL;
}

/* The LUT that IH looks a VMID up in; which one, see set_pasid_vmid_mapping */
static void set_pasid(struct mock_hw *hw, u32 vmid, u32 pasid)
{
	u32 node = hw->ih[MOCK_REG(IH_VMID_LUT_INDEX)];
	u32 x = node / 4 * 2 + node % 4 - 1;

	if (node % 4 && x < hw->md->num_xcc)
		hw->xcc[x].part->vmid[vmid].pasid = pasid;
}

static struct mock_xcc *reg_xcc(struct mock_hw *hw, u32 reg)
{
	return reg >> XCC_SHIFT < hw->md->num_xcc ?
		&hw->xcc[reg >> XCC_SHIFT] : NULL;
}

uint32_t amdgpu_device_rreg(struct amdgpu_device *adev, uint32_t reg,
			    uint32_t acc_flags)
{
	struct mock_hw *hw = to_hw(adev);
	struct mock_xcc *xcc = reg_xcc(hw, reg);
	u32 off = reg & ((1 << XCC_SHIFT) - 1);
	u32 *hub, val = 0;

	mock_hw_lock(hw);
	hw->stats.register_reads++;
	if (reg >= SDMA_BASE) {
		val = mock_sdma_read(hw, reg - SDMA_BASE);
	} else if (xcc && off >= GC_BASE && off < GC_BASE1) {
		val = gc_read(hw, xcc, off - GC_BASE);
	} else if (xcc && off == GC_BASE1 + MOCK_REG(GRBM_GFX_INDEX)) {
		val = xcc->gfx_index;
	} else if (xcc && off == GC_BASE1 + MOCK_REG(RLC_CP_SCHEDULERS)) {
		val = xcc->rlc_schedulers;
	} else {
		hub = hub_reg(hw, reg);
		if (hub)
			val = *hub;
	}
	mock_hw_unlock(hw);
	return val;
}

/*
 * Where no queue is and none becomes active, a write has no effect yet, and the
 * time does not matter. Loading an HQD is many of those, and the CPU pays for
 * all that is done in them, other than with posted writes to real registers.
 */
static bool write_empty_hqd(struct mock_xcc *xcc, u32 reg, u32 val)
{
	struct mock_hqd *h;

	if (!xcc || reg < HQD_FIRST || reg > HQD_LAST ||
	    reg == MOCK_REG(CP_HQD_ACTIVE))
		return false;
	h = selected(xcc);
	if (!h || h->state != HQD_OFF)
		return false;
	h->reg[MQD_HQD_FIRST + reg - HQD_FIRST] = val;
	return true;
}

void amdgpu_device_wreg(struct amdgpu_device *adev, uint32_t reg, uint32_t v,
			uint32_t acc_flags)
{
	struct mock_hw *hw = to_hw(adev);
	struct mock_xcc *xcc = reg_xcc(hw, reg);
	u32 *lut = &hw->ih[MOCK_REG(IH_VMID_0_LUT)];
	u32 off = reg & ((1 << XCC_SHIFT) - 1);
	u32 *r;

	mutex_lock(&hw->lock);
	hw->stats.register_writes++;
	if (write_empty_hqd(xcc, off - GC_BASE, v)) {
		mutex_unlock(&hw->lock);
		return;
	}
	mock_hw_begin(hw);
	if (reg >= SDMA_BASE) {
		mock_sdma_write(hw, reg - SDMA_BASE, v);
	} else if (xcc && off >= GC_BASE && off < GC_BASE1) {
		gc_write(hw, xcc, off - GC_BASE, v);
	} else if (xcc && off == GC_BASE1 + MOCK_REG(GRBM_GFX_INDEX)) {
		xcc->gfx_index = v;
	} else if (xcc && off == GC_BASE1 + MOCK_REG(RLC_CP_SCHEDULERS)) {
		xcc->rlc_schedulers = v;
	} else {
		r = hub_reg(hw, reg);
		if (r == &hw->atc_status)
			hw->atc_status &= ~v;
		else if (r)
			*r = v;
		if (r >= hw->atc && r < hw->atc + MOCK_VMIDS)
			hw->atc_status |= 1U << (r - hw->atc);
		else if (r >= lut && r < lut + MOCK_VMIDS)
			set_pasid(hw, r - lut, v & 0xffff);
	}
	mock_hw_unlock(hw);
}

uint32_t amdgpu_device_xcc_rreg(struct amdgpu_device *adev, uint32_t reg,
				uint32_t acc_flags, uint32_t xcc_id)
{
	return amdgpu_device_rreg(adev, reg, acc_flags);
}

void amdgpu_device_xcc_wreg(struct amdgpu_device *adev, uint32_t reg, uint32_t v,
			    uint32_t acc_flags, uint32_t xcc_id)
{
	amdgpu_device_wreg(adev, reg, v, acc_flags);
}

void soc15_grbm_select(struct amdgpu_device *adev, u32 me, u32 pipe, u32 queue,
		       u32 vmid, int xcc_id)
{
	struct mock_hw *hw = to_hw(adev);
	struct mock_xcc *xcc = &hw->xcc[xcc_id];

	lockdep_assert_held(&adev->srbm_mutex);
	mutex_lock(&hw->lock);
	hw->stats.register_writes++;
	xcc->me = me;
	xcc->pipe = pipe;
	xcc->queue = queue;
	xcc->vmid = vmid;
	mutex_unlock(&hw->lock);
}

static void mock_select_se_sh(struct amdgpu_device *adev, u32 se_num, u32 sh_num,
			      u32 instance, int xcc_id)
{
	struct mock_hw *hw = to_hw(adev);
	u32 val = GRBM_GFX_INDEX__SE_BROADCAST_WRITES_MASK;

	if (se_num != 0xffffffff)
		val = se_num << GRBM_GFX_INDEX__SE_INDEX__SHIFT;
	mutex_lock(&hw->lock);
	hw->stats.register_writes++;
	hw->xcc[xcc_id].gfx_index = val;
	mutex_unlock(&hw->lock);
}

static struct amdgpu_gfx_funcs mock_gfx_funcs;

static void mock_setup_vm_pt_regs(struct amdgpu_device *adev, uint32_t vmid,
				  uint64_t page_table_base)
{
	struct mock_hw *hw = to_hw(adev);
	struct mock_part *part;

	mock_hw_lock(hw);
	hw->stats.register_writes += 2;
	if (vmid < MOCK_VMIDS)
		/* of all XCCs, as gfxhub_v1_2_setup_vm_pt_regs() does */
		list_for_each_entry(part, &hw->parts, node)
			part->vmid[vmid].pd_base = page_table_base;
	mock_hw_unlock(hw);
}

/* The MM hub, which SDMA engines are behind, has the same page tables. */
static void mock_setup_vm_pt_regs_mm(struct amdgpu_device *adev, uint32_t vmid,
				     uint64_t page_table_base)
{
}

static const struct amdgpu_gfxhub_funcs mock_gfxhub_funcs = {
	.setup_vm_pt_regs = mock_setup_vm_pt_regs,
};

static const struct amdgpu_mmhub_funcs mock_mmhub_funcs = {
	.setup_vm_pt_regs = mock_setup_vm_pt_regs_mm,
};

/*
 * The KIQ: atomic context (its ring_lock is held). What is written to the ring
 * is executed at once if the lock can be had, else before anything else is.
 */
int amdgpu_ring_alloc(struct amdgpu_ring *ring, unsigned int ndw)
{
	if (ndw > ring->buf_mask)
		return -ENOMEM;
	ring->count_dw = ndw;
	ring->wptr_old = ring->wptr;
	return 0;
}

void amdgpu_ring_commit(struct amdgpu_ring *ring)
{
	struct mock_hw *hw = to_hw(ring->adev);

	/* pairs with mock_kiq_drain(): the packets first */
	smp_store_release(&hw->kiq_wptr[ring->xcc_id], (u32)ring->wptr);
	if (mutex_trylock(&hw->lock)) {
		mock_kiq_drain(hw);
		mutex_unlock(&hw->lock);
	}
	mock_hw_kick(hw);
}

int mock_hw_unmap_hiq(struct mock_device *md, u32 doorbell, u32 xcc)
{
	struct amdgpu_ring *ring = &md->adev->gfx.kiq[xcc].ring;
	u32 i;

	ring->count_dw = 6;
	amdgpu_ring_write(ring, PACKET3(PACKET3_UNMAP_QUEUES, 4));
	amdgpu_ring_write(ring, PACKET3_UNMAP_QUEUES_ACTION(RESET_QUEUES) |
			  PACKET3_UNMAP_QUEUES_NUM_QUEUES(1));
	amdgpu_ring_write(ring, PACKET3_UNMAP_QUEUES_DOORBELL_OFFSET0(doorbell));
	for (i = 0; i < 3; i++)
		amdgpu_ring_write(ring, 0);
	return 0;
}

int mock_regs_init(struct mock_hw *hw)
{
	struct amdgpu_device *adev = hw->md->adev;
	struct amdgpu_ring *ring;
	u32 x, *base;

	hw->sdma = kvcalloc(MOCK_SDMAS * MOCK_SDMA_STRIDE, sizeof(u32), GFP_KERNEL);
	hw->reg_base = kcalloc((MOCK_MAX_XCC + MOCK_SDMAS + 2) * SEGMENTS,
			       sizeof(u32), GFP_KERNEL);
	if (!hw->sdma || !hw->reg_base)
		goto err;
	base = hw->reg_base;
	for (x = 0; x < hw->md->num_xcc; x++) {
		hw->xcc[x].regs = kvcalloc(GC_REGS, sizeof(u32), GFP_KERNEL);
		if (!hw->xcc[x].regs)
			goto err;
		hw->xcc[x].regs[MOCK_REG(CP_IQ_WAIT_TIME2)] = 0x40404040;
		hw->xcc[x].gfx_index = GRBM_GFX_INDEX__SE_BROADCAST_WRITES_MASK;
		base[0] = GC_BASE + (x << XCC_SHIFT);
		base[1] = GC_BASE1 + (x << XCC_SHIFT);
		adev->reg_offset[GC_HWIP][x] = base;
		base += SEGMENTS;

		ring = &adev->gfx.kiq[x].ring;
		ring->adev = adev;
		ring->xcc_id = x;
		ring->ring = hw->kiq_ring[x];
		ring->buf_mask = ARRAY_SIZE(hw->kiq_ring[x]) - 1;
		ring->ptr_mask = ~0ULL;
		ring->wptr = 0;
	}
	for (x = 0; x < MOCK_SDMAS; x++) {
		base[0] = SDMA_BASE + x * MOCK_SDMA_STRIDE;
		adev->reg_offset[SDMA0_HWIP][x] = base;
		base += SEGMENTS;
	}
	base[0] = ATHUB_BASE;
	adev->reg_offset[ATHUB_HWIP][0] = base;
	base += SEGMENTS;
	base[0] = OSSSYS_BASE;
	adev->reg_offset[OSSSYS_HWIP][0] = base;

	if (adev->gfx.funcs)
		mock_gfx_funcs = *adev->gfx.funcs;
	mock_gfx_funcs.select_se_sh = mock_select_se_sh;
	adev->gfx.funcs = &mock_gfx_funcs;
	adev->gfxhub.funcs = &mock_gfxhub_funcs;
	adev->mmhub.funcs = &mock_mmhub_funcs;
	return 0;

err:
	mock_regs_fini(hw);
	return -ENOMEM;
}

void mock_regs_fini(struct mock_hw *hw)
{
	struct amdgpu_device *adev = hw->md->adev;
	u32 x;

	memset(adev->reg_offset, 0, sizeof(adev->reg_offset));
	for (x = 0; x < hw->md->num_xcc; x++) {
		adev->gfx.kiq[x].ring.ring = NULL;
		kvfree(hw->xcc[x].regs);
		hw->xcc[x].regs = NULL;
	}
	kfree(hw->reg_base);
	kvfree(hw->sdma);
}
