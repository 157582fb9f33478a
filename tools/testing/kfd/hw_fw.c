// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: the scheduler in MEC firmware (HWS), one
 * for each partition.
 *
 * It takes packets from the HIQ one after the other. A runlist that fits is
 * mapped and stays; one that does not (it ends with a chained RUN_LIST) is mapped
 * slice by slice, a quantum each. Queues that are mapped together compete for
 * wave slots by priority, but none is unmapped for another one's sake.
 */

#include "hw.h"
#include "kfd_pm4_headers_ai.h"
#include "kfd_pm4_headers_aldebaran.h"
#include "kfd_pm4_opcodes.h"
#include "gc/gc_9_4_3_offset.h"
#include "gc/gc_9_4_3_sh_mask.h"
#include "soc15d.h"

#define PM4_OP(header)		(((header) >> 8) & 0xff)
#define PM4_NOP_ONE		0x3fff	/* the count of a NOP without body */
#define PM4_HANG		0x55555555	/* pm_debugfs_hang_hws() */

static void fw_step(struct mock_hw *hw, struct mock_event *ev);
static void fw_run(struct mock_part *part);

static u32 pm4_len(u32 header)
{
	u32 count = (header >> 16) & 0x3fff;

	if (PM4_OP(header) == IT_NOP && count == PM4_NOP_ONE)
		return 1;
	return count + 2;
}

/* KIQ: maps and unmaps the HIQ, one XCC at a time. */

static void hiq_map(struct mock_hw *hw, u32 x, u64 mqd)
{
	struct mock_hiq *hiq = &hw->xcc[x].part->hiq;
	u32 *reg = hw->xcc[x].hiq;

	if (mock_mem_read(&hw->md->gart, mqd, reg, sizeof(hw->xcc[x].hiq))) {
		mock_violation(hw->md, "xcc %u: no MQD of the HIQ at %llx", x, mqd);
		return;
	}
	reg[MQD_DW(cp_hqd_active)] = 1;
	hiq->mqd[x] = mqd;
	hiq->mapped |= 1 << x;
	if (x != mock_master(hw->xcc[x].part))
		return;
	/* the first XCC is the master: it reads the packets for all */
	hiq->base = mock_u64(reg[MQD_DW(cp_hqd_pq_base_lo)],
			     reg[MQD_DW(cp_hqd_pq_base_hi)]) << 8;
	hiq->dwords = 2U << (reg[MQD_DW(cp_hqd_pq_control)] &
			     CP_HQD_PQ_CONTROL__QUEUE_SIZE_MASK);
	hiq->rptr_addr = mock_u64(reg[MQD_DW(cp_hqd_pq_rptr_report_addr_lo)],
				  reg[MQD_DW(cp_hqd_pq_rptr_report_addr_hi)]);
	hiq->wptr_addr = mock_u64(reg[MQD_DW(cp_hqd_pq_wptr_poll_addr_lo)],
				  reg[MQD_DW(cp_hqd_pq_wptr_poll_addr_hi)]);
	hiq->doorbell = (reg[MQD_DW(cp_hqd_pq_doorbell_control)] &
			 CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET_MASK) >>
		CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET__SHIFT;
	hiq->rptr = reg[MQD_DW(cp_hqd_pq_rptr)];
	hiq->wptr = hiq->rptr;
	/* it may have been rung before */
	mock_doorbell_take(hw->md, hiq->doorbell);
	mock_mem_read64(&hw->md->gart, hiq->wptr_addr, &hiq->wptr);
	hw->active = hw->now;
}

static void hiq_unmap(struct mock_hw *hw, u32 x)
{
	struct mock_part *part = hw->xcc[x].part;

	part->hiq.mapped &= ~(1 << x);
	hw->xcc[x].hiq[MQD_DW(cp_hqd_active)] = 0;
	if (x == mock_master(part))
		mock_fw_reset(part);
}

/**
 * mock_kiq_drain - execute what is in the KIQs
 * @hw: the GPU
 *
 * Context: its lock is held, perhaps also a spinlock.
 */
void mock_kiq_drain(struct mock_hw *hw)
{
	u32 x, i, len, pkt[8];

	for (x = 0; x < hw->md->num_xcc; x++) {
		/* pairs with amdgpu_ring_commit() */
		u32 wptr = smp_load_acquire(&hw->kiq_wptr[x]);

		while (hw->kiq_rptr[x] != wptr) {
			for (i = 0; i < ARRAY_SIZE(pkt); i++)
				pkt[i] = hw->kiq_ring[x][(hw->kiq_rptr[x] + i) &
					(ARRAY_SIZE(hw->kiq_ring[x]) - 1)];
			len = pm4_len(pkt[0]);
			hw->kiq_rptr[x] += min(len, wptr - hw->kiq_rptr[x]);
			hw->stats.kiq_packets++;
			switch (PM4_OP(pkt[0])) {
			case IT_MAP_QUEUES:
				hiq_map(hw, x, mock_u64(pkt[3], pkt[4]));
				break;
			case IT_UNMAP_QUEUES:
				hiq_unmap(hw, x);
				break;
			case IT_NOP:
				break;
			default:
				mock_violation(hw->md, "KIQ of xcc %u: packet %x is not known",
					       x, pkt[0]);
			}
		}
	}
}

/* Runlists */

static int ib_read(struct mock_part *part, u32 pos, void *buf, u32 dwords)
{
	if (pos + dwords > part->fw.ib_dwords)
		return -EINVAL;
	return mock_mem_read(&part->hw->md->gart, part->fw.ib + pos * 4, buf, dwords * 4);
}

/* Reads the packet at *pos: 0 and the next position, or an error. */
static int ib_packet(struct mock_part *part, u32 *pos, u32 *pkt, u32 max)
{
	u32 len;

	if (ib_read(part, *pos, pkt, 1))
		return -EINVAL;
	len = pm4_len(pkt[0]);
	if (len > max || ib_read(part, *pos, pkt, len))
		return -EINVAL;
	*pos += len;
	return 0;
}

static struct mock_queue *find_mqd(struct mock_part *part, u64 mqd)
{
	struct mock_queue *q;

	list_for_each_entry(q, &part->mapped, node)
		if (q->on & 1 << mock_master(part) &&
		    HQD_REG64(mock_first_hqd(q), cp_mqd_base_addr) == mqd)
			return q;
	return NULL;
}

/* A free slot that SET_RESOURCES gave, going round the pipes as in the dumps. */
static struct mock_queue *free_slot(struct mock_part *part)
{
	struct mock_queue *q;
	u32 pipe, queue;

	for (queue = 0; queue < MOCK_QUEUES; queue++) {
		for (pipe = 0; pipe < MOCK_PIPES; pipe++) {
			q = &part->queue[pipe * MOCK_QUEUES + queue];
			if (part->fw.queue_mask & BIT_ULL(pipe * MOCK_QUEUES + queue) &&
			    list_empty(&q->node))
				return q;
		}
	}
	return NULL;
}

static void map_queue(struct mock_part *part, struct mock_queue *q, u32 vmid,
		      const struct pm4_mes_map_queues *p)
{
	struct mock_hw *hw = part->hw;
	u64 mqd = mock_u64(p->mqd_addr_lo, p->mqd_addr_hi), stride = 0;
	u32 doorbell = p->bitfields3.doorbell_offset;
	struct mock_hqd *h;
	u32 x;

	q->hws = true;
	q->is_static = p->bitfields2.queue_type ==
		queue_type__mes_map_queues__normal_latency_static_queue_vi;
	for_each_inst(x, part->xccs) {
		h = q->hqd[x];
		if (mock_mem_read(&hw->md->gart, mqd, h->reg, sizeof(h->reg)) ||
		    (!stride && mock_mem_read(&hw->md->gart, mqd +
					      offsetof(struct v9_mqd, cp_mqd_stride_size),
					      &stride, sizeof(u32)))) {
			mock_violation(hw->md, "MAP_QUEUES: no MQD at %llx for xcc %u",
				       mqd, x);
			return;
		}
		if (HQD_REG64(h, cp_mqd_base_addr) != mqd)
			mock_violation(hw->md,
				       "MAP_QUEUES: the MQD at %llx for xcc %u says that it is at %llx",
				       mqd, x, HQD_REG64(h, cp_mqd_base_addr));
		if ((HQD_REG(h, cp_hqd_pq_doorbell_control) &
		     CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET_MASK) !=
		    doorbell << CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_OFFSET__SHIFT)
			mock_violation(hw->md,
				       "MAP_QUEUES: doorbell %x, the MQD of xcc %u says %x",
				       doorbell, x,
				       HQD_REG(h, cp_hqd_pq_doorbell_control));
		HQD_REG(h, cp_hqd_vmid) = vmid;
		HQD_REG(h, cp_hqd_pq_doorbell_control) |=
			CP_HQD_PQ_DOORBELL_CONTROL__DOORBELL_EN_MASK;
		HQD_REG(h, cp_hqd_pq_wptr_poll_addr_lo) = p->wptr_addr_lo;
		HQD_REG(h, cp_hqd_pq_wptr_poll_addr_hi) = p->wptr_addr_hi;
		mock_hqd_load(hw, h);
		mqd += stride;
	}
}

static int get_vmid(struct mock_part *part, u64 pd_base, u32 pasid, u32 *mapped)
{
	struct mock_hw *hw = part->hw;
	int free = -1;
	u32 i;

	for (i = 0; i < MOCK_VMIDS; i++) {
		if (!(part->fw.vmid_mask & BIT(i)))
			continue;
		if (!part->vmid[i].busy) {
			if (free < 0)
				free = i;
		} else if (part->vmid[i].pd_base == pd_base &&
			   part->vmid[i].pasid == pasid) {
			return i;
		}
	}
	if (free < 0 || *mapped >= part->fw.processes)
		return -1;
	(*mapped)++;
	part->vmid[free].busy = true;
	part->vmid[free].pd_base = pd_base;
	part->vmid[free].pasid = pasid;
	/* the LUTs that interrupts and dbgdev look into */
	hw->atc[free] = pasid | BIT(31);
	return free;
}

/* VMIDs whose queues are all gone are free again. */
static void put_vmids(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_sdma_queue *s;
	struct mock_queue *q;
	u32 i, used = 0;

	list_for_each_entry(q, &part->mapped, node)
		used |= BIT(q->vmid);
	list_for_each_entry(s, &hw->sdma_queues, node)
		if (s->part == part)
			used |= BIT(s->vmid);
	for (i = 0; i < MOCK_VMIDS; i++) {
		if (!part->vmid[i].busy || used & BIT(i))
			continue;
		memset(&part->vmid[i], 0, sizeof(part->vmid[i]));
		hw->atc[i] = 0;
	}
}

static void fw_quantum(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_part *part = container_of(ev, struct mock_part, fw.quantum);

	part->fw.rotate = true;
	fw_run(part);
}

/*
 * Packets, where they end (a list may end before its buffer does) and whether
 * the list is chained.
 */
static u32 count_packets(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;
	u32 pos = 0, n = 0, pkt[32];

	fw->chained = false;
	fw->ib_end = 0;
	while (pos < fw->ib_dwords) {
		if (ib_packet(part, &pos, pkt, ARRAY_SIZE(pkt)) || pkt[0] >> 30 != 3) {
			if (pkt[0])
				mock_violation(hw->md, "runlist: packet %x at dword %u of %u",
					       pkt[0], fw->ib_end, fw->ib_dwords);
			break;
		}
		n++;
		fw->ib_end = pos;
		if (PM4_OP(pkt[0]) == IT_RUN_LIST)
			fw->chained = true;
	}
	return n;
}

/* MAP_PROCESS: a VMID, or negative when none is left. */
static int map_process(struct mock_part *part,
		       const struct pm4_mes_map_process_aldebaran *p, u32 *mapped)
{
	part->hw->stats.hiq_map_process++;
	part->fw.quantum_ms = p->bitfields2.process_quantum;
	return get_vmid(part, mock_u64(p->vm_context_page_table_base_addr_lo32,
				     p->vm_context_page_table_base_addr_hi32),
			p->bitfields2.pasid, mapped);
}

/* MAP_QUEUES: false when no slot is left. */
static bool map_queues(struct mock_part *part, const struct pm4_mes_map_queues *p,
		       int vmid)
{
	struct mock_hw *hw = part->hw;
	struct mock_queue *q;
	u32 pasid;

	if (vmid < 0) {
		mock_violation(hw->md, "runlist: MAP_QUEUES before MAP_PROCESS");
		return true;
	}
	pasid = part->vmid[vmid].pasid;
	if (pasid && pasid == part->fw.skip_pasid)
		return true;
	if (p->bitfields2.engine_sel != engine_sel__mes_map_queues__compute_vi ||
	    p->bitfields2.extended_engine_sel) {
		hw->stats.hiq_map_sdma++;
		return mock_sdma_map(part, p, vmid);
	}
	q = find_mqd(part, mock_u64(p->mqd_addr_lo, p->mqd_addr_hi));
	if (q) {
		if (!q->is_static)
			mock_violation(hw->md, "runlist: pasid %u doorbell %x is mapped already",
				       q->pasid, q->doorbell);
		return true;
	}
	q = free_slot(part);
	if (!q)
		return false;
	hw->stats.hiq_map_queues++;
	map_queue(part, q, vmid, p);
	return true;
}

/* Map what fits, going round the list from where the last slice ended. */
static void map_slice(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	u32 pkt[32], next, n, mapped = 0;
	struct mock_fw *fw = &part->fw;
	bool full = false;
	int vmid = -1;

	put_vmids(part);
	n = count_packets(part);
	if (fw->pos != fw->pos_process) {
		/* the rest of a process whose first queues had their turn */
		next = fw->pos_process;
		if (!ib_packet(part, &next, pkt, ARRAY_SIZE(pkt)))
			vmid = map_process(part, (void *)pkt, &mapped);
	}
	while (n) {
		if (fw->pos >= fw->ib_end) {
			fw->pos = 0;
			fw->pos_process = 0;
		}
		next = fw->pos;
		if (ib_packet(part, &next, pkt, ARRAY_SIZE(pkt)))
			break;
		switch (PM4_OP(pkt[0])) {
		case IT_MAP_PROCESS:
			vmid = map_process(part, (void *)pkt, &mapped);
			full = vmid < 0;
			fw->pos_process = fw->pos;
			break;
		case IT_MAP_QUEUES:
			full = !map_queues(part, (void *)pkt, vmid);
			break;
		case IT_RUN_LIST:
		case IT_NOP:
			break;
		default:
			mock_violation(hw->md, "runlist: packet %x is not known", pkt[0]);
			break;
		}
		if (full)
			break;
		fw->pos = next;
		n--;
	}
	put_vmids(part);
	fw->all = !full;
	if (!full)
		return;
	if (!fw->chained)
		mock_violation(hw->md, "runlist does not fit, and is not chained");
	else
		mock_event_arm(hw, &fw->quantum, hw->now +
			       (mock_quantum_us ? (u64)mock_quantum_us * NSEC_PER_USEC :
				(u64)fw->quantum_ms * NSEC_PER_MSEC), fw_quantum);
}

/* Taking queues off */

static bool anything_going(struct mock_part *part)
{
	struct mock_queue *q;

	list_for_each_entry(q, &part->mapped, node)
		if (q->going)
			return true;
	return false;
}

/* Each XCC saves one queue after the other, all XCCs at the same time. */
static void take_off(struct mock_part *part, u32 type)
{
	struct mock_hw *hw = part->hw;
	u64 from[MOCK_MAX_XCC];
	struct mock_queue *q, *tmp;
	struct mock_hqd *h;
	u64 ns;
	u32 x;

	for_each_inst(x, part->xccs)
		from[x] = hw->now;
	list_for_each_entry_safe(q, tmp, &part->mapped, node) {
		if (!q->going)
			continue;
		for_each_inst(x, part->xccs) {
			h = q->hqd[x];
			ns = mock_hqd_save_ns(h);
			mock_hqd_dequeue(hw, h, type, from[x]);
			from[x] += ns;
		}
	}
}

static void log_deaf(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	const u32 dw = MQD_DW(queue_doorbell_id0);
	struct mock_queue *q;
	u32 x;

	list_for_each_entry(q, &part->mapped, node) {
		if (!q->going)
			continue;
		q->going = false;
		for_each_inst(x, part->xccs)
			if (q->on & 1 << x)
				mock_mem_write(&hw->md->gart, part->hiq.mqd[x] + dw * 4,
					       &q->doorbell, sizeof(q->doorbell));
	}
}

static u64 give_up_time(struct mock_part *part)
{
	u32 ms = mock_giveup_ms ?: part->fw.unmap_ms;

	return part->hw->now + (u64)max(ms, 1U) * NSEC_PER_MSEC;
}

static bool matches(const struct pm4_mes_unmap_queues *p, u32 doorbell, u32 pasid,
		    bool is_static)
{
	const u32 offset[4] = {
		p->bitfields3b.doorbell_offset0, p->bitfields4.doorbell_offset1,
		p->bitfields5.doorbell_offset2, p->bitfields6.doorbell_offset3,
	};
	u32 i;

	switch (p->bitfields2.queue_sel) {
	case queue_sel__mes_unmap_queues__perform_request_on_specified_queues:
		for (i = 0; i < min_t(u32, p->bitfields2.num_queues, 4); i++)
			if (offset[i] == doorbell)
				return true;
		return false;
	case queue_sel__mes_unmap_queues__perform_request_on_pasid_queues:
		return pasid == p->bitfields3a.pasid;
	case queue_sel__mes_unmap_queues__unmap_all_queues:
		return true;
	case queue_sel__mes_unmap_queues__unmap_all_non_static_queues:
		return !is_static;
	}
	return false;
}

/*
 * SDMA queues go at once. The engine select of KFD's packets is compute, for all
 * queues; SDMA0 and SDMA1 are those two. No packet: all queues.
 */
static void unmap_sdma(struct mock_part *part, const struct pm4_mes_unmap_queues *p)
{
	u32 first = 2 * mock_master(part);
	struct mock_hw *hw = part->hw;
	struct mock_sdma_queue *q, *tmp;

	list_for_each_entry_safe(q, tmp, &hw->sdma_queues, node) {
		if (q->part != part || !q->hws)
			continue;
		if (p && !matches(p, q->doorbell, q->pasid, false))
			continue;
		if (p && p->bitfields2.engine_sel != engine_sel__mes_unmap_queues__compute &&
		    p->bitfields2.engine_sel - engine_sel__mes_unmap_queues__sdma0 !=
		    q->engine - first)
			continue;
		mock_sdma_unmap(hw, q);
	}
}

/* True: it lasts. */
static bool do_unmap(struct mock_part *part)
{
	const struct pm4_mes_unmap_queues *p = (void *)part->fw.packet;
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;
	struct mock_queue *q;
	u32 type = DEQUEUE_SAVE;

	hw->stats.hiq_unmap_queues++;
	switch (p->bitfields2.action) {
	case action__mes_unmap_queues__reset_queues:
		type = DEQUEUE_RESET;
		break;
	case action__mes_unmap_queues__preempt_queues:
		break;
	default:
		mock_violation(hw->md, "UNMAP_QUEUES with action %u",
			       p->bitfields2.action);
		break;
	}
	unmap_sdma(part, p);
	if (p->bitfields2.engine_sel != engine_sel__mes_unmap_queues__compute)
		return false;

	switch (p->bitfields2.queue_sel) {
	case queue_sel__mes_unmap_queues__unmap_all_queues:
	case queue_sel__mes_unmap_queues__unmap_all_non_static_queues:
		/* the runlist is over */
		fw->valid = false;
		fw->rotate = false;
		mock_event_cancel(hw, &fw->quantum);
		break;
	case queue_sel__mes_unmap_queues__perform_request_on_pasid_queues:
		fw->skip_pasid = p->bitfields3a.pasid;
		break;
	default:
		break;
	}
	list_for_each_entry(q, &part->mapped, node)
		q->going = q->hws && matches(p, q->doorbell, q->pasid, q->is_static);
	if (!anything_going(part))
		return false;
	fw->state = FW_UNMAP;
	mock_event_arm(hw, &fw->ev, give_up_time(part), fw_step);
	take_off(part, type);
	return fw->state == FW_UNMAP;
}

static void do_query(struct mock_part *part)
{
	const struct pm4_mes_query_status *p = (void *)part->fw.packet;
	struct mock_hw *hw = part->hw;
	u64 addr = mock_u64(p->addr_lo, p->addr_hi);
	u64 data = mock_u64(p->data_lo, p->data_hi);

	hw->stats.hiq_query_status++;
	if (p->bitfields2.command == command__mes_query_status__interrupt_only)
		return;
	if (mock_lost_fence) {
		mock_lost_fence--;
		hw->stats.fences_lost++;
		return;
	}
	hw->stats.fence_writes++;
	if (mock_mem_write(&hw->md->gart, addr, &data, sizeof(data)))
		mock_violation(hw->md, "QUERY_STATUS: no fence at %llx", addr);
}

static void do_set_resources(struct mock_part *part)
{
	const struct pm4_mes_set_resources *p = (void *)part->fw.packet;

	part->hw->stats.hiq_set_resources++;
	part->fw.vmid_mask = p->bitfields2.vmid_mask;
	part->fw.queue_mask = mock_u64(p->queue_mask_lo, p->queue_mask_hi);
	part->fw.unmap_ms = p->bitfields2.unmap_latency * 100;
}

/* True: it lasts. */
static bool do_runlist(struct mock_part *part)
{
	const struct pm4_mes_runlist *p = (void *)part->fw.packet;
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;
	struct mock_sdma_queue *s;
	struct mock_queue *q;
	u32 n;

	hw->stats.hiq_run_list++;
	list_for_each_entry(q, &part->mapped, node)
		if (q->hws && !q->is_static)
			mock_violation(hw->md, "RUN_LIST while pasid %u doorbell %x is mapped",
				       q->pasid, q->doorbell);
	list_for_each_entry(s, &hw->sdma_queues, node)
		if (s->part == part && s->hws)
			mock_violation(hw->md, "RUN_LIST while pasid %u SDMA doorbell %x is mapped",
				       s->pasid, s->doorbell);
	mock_event_cancel(hw, &fw->quantum);
	fw->rotate = false;
	fw->valid = p->bitfields4.valid;
	fw->ib = mock_u64(p->ordinal2 & ~3U, p->ib_base_hi);
	fw->ib_dwords = p->bitfields4.ib_size;
	fw->processes = p->bitfields4.process_cnt ?: 1;
	fw->pos = 0;
	fw->pos_process = 0;
	fw->skip_pasid = 0;
	if (!fw->valid)
		return false;
	n = count_packets(part);
	if (!n)
		return false;
	fw->state = FW_MAP;
	mock_event_arm(hw, &fw->ev, hw->now + (u64)n * mock_fw_ns, fw_step);
	return true;
}

static void do_write_data(struct mock_part *part)
{
	const struct pm4_mec_write_data_mmio *p = (void *)part->fw.packet;
	struct mock_hw *hw = part->hw;
	u32 x;

	hw->stats.hiq_write_data++;
	/* the grace period; the register's offset is that of XCC 0 for each XCC */
	if (p->bitfields2.dst_sel != dst_sel___write_data__mem_mapped_register ||
	    p->bitfields3.dst_mmreg_addr !=
	    hw->md->adev->reg_offset[GC_HWIP][0][0] + MOCK_REG(CP_IQ_WAIT_TIME2)) {
		mock_violation(hw->md, "WRITE_DATA to %x",
			       p->bitfields3.dst_mmreg_addr);
		return;
	}
	for_each_inst(x, part->xccs)
		hw->xcc[x].regs[MOCK_REG(CP_IQ_WAIT_TIME2)] = p->data;
}

/* The packet is done: report, go on. */
static void packet_done(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_hiq *hiq = &part->hiq;
	u32 rptr;

	part->fw.state = FW_IDLE;
	mock_event_cancel(hw, &part->fw.ev);
	hw->stats.hiq_packets++;
	hiq->rptr += part->fw.len;
	rptr = hiq->rptr % hiq->dwords;
	mock_mem_write(&hw->md->gart, hiq->rptr_addr, &rptr, sizeof(rptr));
	fw_run(part);
}

static void execute(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;
	bool lasts = false;

	fw->state = FW_IDLE;
	switch (PM4_OP(fw->packet[0])) {
	case IT_NOP:
		hw->stats.hiq_nop++;
		break;
	case IT_SET_RESOURCES:
		do_set_resources(part);
		break;
	case IT_RUN_LIST:
		lasts = do_runlist(part);
		break;
	case IT_UNMAP_QUEUES:
		lasts = do_unmap(part);
		break;
	case IT_QUERY_STATUS:
		do_query(part);
		break;
	case IT_WRITE_DATA:
		do_write_data(part);
		break;
	default:
		mock_violation(hw->md, "HIQ: packet %x is not known", fw->packet[0]);
		break;
	}
	if (!lasts)
		packet_done(part);
}

static void fw_step(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_part *part = container_of(ev, struct mock_part, fw.ev);
	struct mock_fw *fw = &part->fw;

	switch (fw->state) {
	case FW_PACKET:
		execute(part);
		break;
	case FW_UNMAP:
		/* something did not answer: give up without a word */
		log_deaf(part);
		packet_done(part);
		break;
	case FW_SLICE:
		log_deaf(part);
		fallthrough;
	case FW_SLICE_MAP:
		map_slice(part);
		fw->state = FW_IDLE;
		fw_run(part);
		break;
	case FW_MAP:
		map_slice(part);
		packet_done(part);
		break;
	case FW_IDLE:
	case FW_HUNG:
		break;
	}
}

/**
 * mock_fw_hqd_off - a queue has left an XCC
 * @part: the partition
 */
void mock_fw_hqd_off(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;

	if ((fw->state != FW_UNMAP && fw->state != FW_SLICE) || anything_going(part))
		return;
	put_vmids(part);
	if (fw->state == FW_UNMAP) {
		mock_check_counts(hw, "unmap");
		packet_done(part);
		return;
	}
	fw->state = FW_SLICE_MAP;
	mock_event_arm(hw, &fw->ev, hw->now + (u64)count_packets(part) * mock_fw_ns,
		       fw_step);
}

static void rotate(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_fw *fw = &part->fw;
	struct mock_queue *q;

	fw->rotate = false;
	if (!fw->valid || !fw->chained || fw->all)
		return;
	hw->stats.rotations++;
	list_for_each_entry(q, &part->mapped, node)
		q->going = q->hws && !q->is_static;
	fw->state = FW_SLICE;
	mock_event_arm(hw, &fw->ev, give_up_time(part), fw_step);
	unmap_sdma(part, NULL);
	if (anything_going(part))
		take_off(part, DEQUEUE_SAVE);
	else
		mock_fw_hqd_off(part);
}

/* Take the next packet, if there is one and nothing is being done. */
static void fw_run(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_hiq *hiq = &part->hiq;
	struct mock_fw *fw = &part->fw;
	u32 i, at;

	if (fw->state != FW_IDLE || hiq->mapped != part->xccs)
		return;
	if (hiq->rptr == hiq->wptr) {
		if (fw->rotate)
			rotate(part);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(fw->packet); i++) {
		at = (hiq->rptr + i) % hiq->dwords;
		if (mock_mem_read32(&hw->md->gart, hiq->base + at * 4,
				    &fw->packet[i])) {
			mock_violation(hw->md, "no ring of the HIQ at %llx",
				       hiq->base);
			hiq->rptr = hiq->wptr;
			return;
		}
		if (fw->packet[0] == PM4_HANG) {
			hw->stats.fw_hangs++;
			fw->state = FW_HUNG;
			return;
		}
		if (!i)
			fw->len = pm4_len(fw->packet[0]);
		if (i + 1 >= fw->len || hiq->rptr + i + 1 >= hiq->wptr)
			break;
	}
	if (hiq->rptr + fw->len > hiq->wptr) {
		mock_violation(hw->md, "HIQ: packet %x reaches beyond wptr %llu",
			       fw->packet[0], hiq->wptr);
		fw->len = hiq->wptr - hiq->rptr;
	}
	fw->state = FW_PACKET;
	mock_event_arm(hw, &fw->ev, hw->now + mock_fw_ns, fw_step);
}

/**
 * mock_fw_poll - see whether the HIQ's doorbell was rung
 * @part: the partition
 */
void mock_fw_poll(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_hiq *hiq = &part->hiq;
	u64 val;

	if (!hiq->mapped)
		return;
	val = mock_doorbell_take(hw->md, hiq->doorbell);
	if (val != MOCK_DOORBELL_NONE) {
		hw->active = hw->now;
		/* the count is monotonic; the ring cannot hold more than its size */
		if (val - hiq->rptr > hiq->dwords)
			mock_violation(hw->md, "HIQ: doorbell %llu, rptr %llu, %u dwords",
				       val, hiq->rptr, hiq->dwords);
		else
			hiq->wptr = val;
	}
	fw_run(part);
}

void mock_fw_init(struct mock_part *part)
{
	memset(&part->fw, 0, sizeof(part->fw));
}

/* What the firmware was doing is forgotten. */
void mock_fw_reset(struct mock_part *part)
{
	struct mock_hw *hw = part->hw;
	struct mock_queue *q;
	u32 i;

	mock_event_cancel(hw, &part->fw.ev);
	mock_event_cancel(hw, &part->fw.quantum);
	mock_fw_init(part);
	part->hiq.rptr = part->hiq.wptr;
	list_for_each_entry(q, &part->mapped, node)
		q->going = false;
	for (i = 0; i < MOCK_VMIDS; i++)
		part->vmid[i].busy = false;
}
