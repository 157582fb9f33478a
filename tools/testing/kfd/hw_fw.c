// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: the scheduler in MEC firmware (HWS).
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

static void fw_step(struct mock_hw *hw, struct mock_event *ev);
static void fw_run(struct mock_hw *hw);

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
	struct mock_hiq *hiq = &hw->hiq;
	u32 *reg = hw->xcc[x].hiq;

	if (mock_mem_read(&hw->md->gart, mqd, reg, sizeof(hw->xcc[x].hiq))) {
		mock_violation(hw->md, "xcc %u: no MQD of the HIQ at %llx", x, mqd);
		return;
	}
	reg[MQD_DW(cp_hqd_active)] = 1;
	hiq->mqd[x] = mqd;
	hiq->mapped |= 1 << x;
	if (x)
		return;
	/* XCC 0 is the master: it reads the packets for all */
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
	hw->hiq.mapped &= ~(1 << x);
	hw->xcc[x].hiq[MQD_DW(cp_hqd_active)] = 0;
	if (!x)
		mock_fw_reset(hw);
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

static int ib_read(struct mock_hw *hw, u32 pos, void *buf, u32 dwords)
{
	if (pos + dwords > hw->fw.ib_dwords)
		return -EINVAL;
	return mock_mem_read(&hw->md->gart, hw->fw.ib + pos * 4, buf, dwords * 4);
}

/* Reads the packet at *pos: 0 and the next position, or an error. */
static int ib_packet(struct mock_hw *hw, u32 *pos, u32 *pkt, u32 max)
{
	u32 len;

	if (ib_read(hw, *pos, pkt, 1))
		return -EINVAL;
	len = pm4_len(pkt[0]);
	if (len > max || ib_read(hw, *pos, pkt, len))
		return -EINVAL;
	*pos += len;
	return 0;
}

static struct mock_queue *find_mqd(struct mock_hw *hw, u64 mqd)
{
	struct mock_queue *q;

	list_for_each_entry(q, &hw->mapped, node)
		if (q->on & 1 && HQD_REG64(q->hqd[0], cp_mqd_base_addr) == mqd)
			return q;
	return NULL;
}

/* A free slot that SET_RESOURCES gave, going round the pipes as in the dumps. */
static struct mock_queue *free_slot(struct mock_hw *hw)
{
	struct mock_queue *q;
	u32 pipe, queue;

	for (queue = 0; queue < MOCK_QUEUES; queue++) {
		for (pipe = 0; pipe < MOCK_PIPES; pipe++) {
			q = &hw->queue[pipe * MOCK_QUEUES + queue];
			if (hw->fw.queue_mask & BIT_ULL(pipe * MOCK_QUEUES + queue) &&
			    list_empty(&q->node))
				return q;
		}
	}
	return NULL;
}

static void map_queue(struct mock_hw *hw, struct mock_queue *q, u32 vmid,
		      const struct pm4_mes_map_queues *p)
{
	u64 mqd = mock_u64(p->mqd_addr_lo, p->mqd_addr_hi), stride = 0;
	u32 doorbell = p->bitfields3.doorbell_offset;
	struct mock_hqd *h;
	u32 x;

	q->hws = true;
	q->is_static = p->bitfields2.queue_type ==
		queue_type__mes_map_queues__normal_latency_static_queue_vi;
	for (x = 0; x < hw->md->num_xcc; x++) {
		h = q->hqd[x];
		if (mock_mem_read(&hw->md->gart, mqd, h->reg, sizeof(h->reg)) ||
		    (!x && mock_mem_read(&hw->md->gart,
					 mqd + offsetof(struct v9_mqd, cp_mqd_stride_size),
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

static int get_vmid(struct mock_hw *hw, u64 pd_base, u32 pasid, u32 *mapped)
{
	int free = -1;
	u32 i;

	for (i = 0; i < MOCK_VMIDS; i++) {
		if (!(hw->fw.vmid_mask & BIT(i)))
			continue;
		if (!hw->vmid[i].busy) {
			if (free < 0)
				free = i;
		} else if (hw->vmid[i].pd_base == pd_base &&
			   hw->vmid[i].pasid == pasid) {
			return i;
		}
	}
	if (free < 0 || *mapped >= hw->fw.processes)
		return -1;
	(*mapped)++;
	hw->vmid[free].busy = true;
	hw->vmid[free].pd_base = pd_base;
	hw->vmid[free].pasid = pasid;
	/* the LUTs that interrupts and dbgdev look into */
	hw->atc[free] = pasid | BIT(31);
	return free;
}

/* VMIDs whose queues are all gone are free again. */
static void put_vmids(struct mock_hw *hw)
{
	struct mock_queue *q;
	u32 i, used = 0;

	list_for_each_entry(q, &hw->mapped, node)
		used |= BIT(q->vmid);
	for (i = 0; i < MOCK_VMIDS; i++) {
		if (!hw->vmid[i].busy || used & BIT(i))
			continue;
		memset(&hw->vmid[i], 0, sizeof(hw->vmid[i]));
		hw->atc[i] = 0;
	}
}

static void fw_quantum(struct mock_hw *hw, struct mock_event *ev)
{
	hw->fw.rotate = true;
	fw_run(hw);
}

/*
 * Packets, where they end (a list may end before its buffer does) and whether
 * the list is chained.
 */
static u32 count_packets(struct mock_hw *hw)
{
	struct mock_fw *fw = &hw->fw;
	u32 pos = 0, n = 0, pkt[32];

	fw->chained = false;
	fw->ib_end = 0;
	while (pos < fw->ib_dwords) {
		if (ib_packet(hw, &pos, pkt, ARRAY_SIZE(pkt)) || pkt[0] >> 30 != 3) {
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
static int map_process(struct mock_hw *hw,
		       const struct pm4_mes_map_process_aldebaran *p, u32 *mapped)
{
	hw->stats.hiq_map_process++;
	hw->fw.quantum_ms = p->bitfields2.process_quantum;
	return get_vmid(hw, mock_u64(p->vm_context_page_table_base_addr_lo32,
				     p->vm_context_page_table_base_addr_hi32),
			p->bitfields2.pasid, mapped);
}

/* MAP_QUEUES: false when no slot is left. */
static bool map_queues(struct mock_hw *hw, const struct pm4_mes_map_queues *p,
		       int vmid)
{
	struct mock_queue *q;
	u32 pasid;

	if (p->bitfields2.engine_sel != engine_sel__mes_map_queues__compute_vi ||
	    p->bitfields2.extended_engine_sel) {
		hw->stats.hiq_map_sdma++;
		return true;
	}
	if (vmid < 0) {
		mock_violation(hw->md, "runlist: MAP_QUEUES before MAP_PROCESS");
		return true;
	}
	pasid = hw->vmid[vmid].pasid;
	if (pasid && pasid == hw->fw.skip_pasid)
		return true;
	q = find_mqd(hw, mock_u64(p->mqd_addr_lo, p->mqd_addr_hi));
	if (q) {
		if (!q->is_static)
			mock_violation(hw->md, "runlist: pasid %u doorbell %x is mapped already",
				       q->pasid, q->doorbell);
		return true;
	}
	q = free_slot(hw);
	if (!q)
		return false;
	hw->stats.hiq_map_queues++;
	map_queue(hw, q, vmid, p);
	return true;
}

/* Map what fits, going round the list from where the last slice ended. */
static void map_slice(struct mock_hw *hw)
{
	u32 pkt[32], next, n, mapped = 0;
	struct mock_fw *fw = &hw->fw;
	bool full = false;
	int vmid = -1;

	put_vmids(hw);
	n = count_packets(hw);
	if (fw->pos != fw->pos_process) {
		/* the rest of a process whose first queues had their turn */
		next = fw->pos_process;
		if (!ib_packet(hw, &next, pkt, ARRAY_SIZE(pkt)))
			vmid = map_process(hw, (void *)pkt, &mapped);
	}
	while (n) {
		if (fw->pos >= fw->ib_end) {
			fw->pos = 0;
			fw->pos_process = 0;
		}
		next = fw->pos;
		if (ib_packet(hw, &next, pkt, ARRAY_SIZE(pkt)))
			break;
		switch (PM4_OP(pkt[0])) {
		case IT_MAP_PROCESS:
			vmid = map_process(hw, (void *)pkt, &mapped);
			full = vmid < 0;
			fw->pos_process = fw->pos;
			break;
		case IT_MAP_QUEUES:
			full = !map_queues(hw, (void *)pkt, vmid);
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
	put_vmids(hw);
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

static bool anything_going(struct mock_hw *hw)
{
	struct mock_queue *q;

	list_for_each_entry(q, &hw->mapped, node)
		if (q->going)
			return true;
	return false;
}

/* Each XCC saves one queue after the other, all XCCs at the same time. */
static void take_off(struct mock_hw *hw, u32 type)
{
	u64 from[MOCK_MAX_XCC];
	struct mock_queue *q, *tmp;
	struct mock_hqd *h;
	u64 ns;
	u32 x;

	for (x = 0; x < hw->md->num_xcc; x++)
		from[x] = hw->now;
	list_for_each_entry_safe(q, tmp, &hw->mapped, node) {
		if (!q->going)
			continue;
		for (x = 0; x < hw->md->num_xcc; x++) {
			h = q->hqd[x];
			ns = mock_hqd_save_ns(h);
			mock_hqd_dequeue(hw, h, type, from[x]);
			from[x] += ns;
		}
	}
}

static void log_deaf(struct mock_hw *hw)
{
	const u32 dw = MQD_DW(queue_doorbell_id0);
	struct mock_queue *q;
	u32 x;

	list_for_each_entry(q, &hw->mapped, node) {
		if (!q->going)
			continue;
		q->going = false;
		for (x = 0; x < hw->md->num_xcc; x++)
			if (q->on & 1 << x)
				mock_mem_write(&hw->md->gart, hw->hiq.mqd[x] + dw * 4,
					       &q->doorbell, sizeof(q->doorbell));
	}
}

static u64 give_up_time(struct mock_hw *hw)
{
	u32 ms = mock_giveup_ms ?: hw->fw.unmap_ms;

	return hw->now + (u64)max(ms, 1U) * NSEC_PER_MSEC;
}

static bool matches(struct mock_queue *q, const struct pm4_mes_unmap_queues *p)
{
	const u32 offset[4] = {
		p->bitfields3b.doorbell_offset0, p->bitfields4.doorbell_offset1,
		p->bitfields5.doorbell_offset2, p->bitfields6.doorbell_offset3,
	};
	u32 i;

	if (!q->hws)
		return false;
	switch (p->bitfields2.queue_sel) {
	case queue_sel__mes_unmap_queues__perform_request_on_specified_queues:
		for (i = 0; i < min_t(u32, p->bitfields2.num_queues, 4); i++)
			if (offset[i] == q->doorbell)
				return true;
		return false;
	case queue_sel__mes_unmap_queues__perform_request_on_pasid_queues:
		return q->pasid == p->bitfields3a.pasid;
	case queue_sel__mes_unmap_queues__unmap_all_queues:
		return true;
	case queue_sel__mes_unmap_queues__unmap_all_non_static_queues:
		return !q->is_static;
	}
	return false;
}

/* True: it lasts. */
static bool do_unmap(struct mock_hw *hw)
{
	const struct pm4_mes_unmap_queues *p = (void *)hw->fw.packet;
	struct mock_fw *fw = &hw->fw;
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
	list_for_each_entry(q, &hw->mapped, node)
		q->going = matches(q, p);
	if (!anything_going(hw))
		return false;
	fw->state = FW_UNMAP;
	mock_event_arm(hw, &fw->ev, give_up_time(hw), fw_step);
	take_off(hw, type);
	return fw->state == FW_UNMAP;
}

static void do_query(struct mock_hw *hw)
{
	const struct pm4_mes_query_status *p = (void *)hw->fw.packet;
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

static void do_set_resources(struct mock_hw *hw)
{
	const struct pm4_mes_set_resources *p = (void *)hw->fw.packet;

	hw->stats.hiq_set_resources++;
	hw->fw.vmid_mask = p->bitfields2.vmid_mask;
	hw->fw.queue_mask = mock_u64(p->queue_mask_lo, p->queue_mask_hi);
	hw->fw.unmap_ms = p->bitfields2.unmap_latency * 100;
}

/* True: it lasts. */
static bool do_runlist(struct mock_hw *hw)
{
	const struct pm4_mes_runlist *p = (void *)hw->fw.packet;
	struct mock_fw *fw = &hw->fw;
	struct mock_queue *q;
	u32 n;

	hw->stats.hiq_run_list++;
	list_for_each_entry(q, &hw->mapped, node)
		if (q->hws && !q->is_static)
			mock_violation(hw->md, "RUN_LIST while pasid %u doorbell %x is mapped",
				       q->pasid, q->doorbell);
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
	n = count_packets(hw);
	if (!n)
		return false;
	fw->state = FW_MAP;
	mock_event_arm(hw, &fw->ev, hw->now + (u64)n * mock_fw_ns, fw_step);
	return true;
}

static void do_write_data(struct mock_hw *hw)
{
	const struct pm4_mec_write_data_mmio *p = (void *)hw->fw.packet;
	u32 x;

	hw->stats.hiq_write_data++;
	/* the grace period; the register's offset is that of XCC 0 */
	if (p->bitfields2.dst_sel != dst_sel___write_data__mem_mapped_register ||
	    p->bitfields3.dst_mmreg_addr !=
	    hw->md->adev->reg_offset[GC_HWIP][0][0] + MOCK_REG(CP_IQ_WAIT_TIME2)) {
		mock_violation(hw->md, "WRITE_DATA to %x",
			       p->bitfields3.dst_mmreg_addr);
		return;
	}
	for (x = 0; x < hw->md->num_xcc; x++)
		hw->xcc[x].regs[MOCK_REG(CP_IQ_WAIT_TIME2)] = p->data;
}

/* The packet is done: report, go on. */
static void packet_done(struct mock_hw *hw)
{
	struct mock_hiq *hiq = &hw->hiq;
	u32 rptr;

	hw->fw.state = FW_IDLE;
	mock_event_cancel(hw, &hw->fw.ev);
	hw->stats.hiq_packets++;
	hiq->rptr += hw->fw.len;
	rptr = hiq->rptr % hiq->dwords;
	mock_mem_write(&hw->md->gart, hiq->rptr_addr, &rptr, sizeof(rptr));
	fw_run(hw);
}

static void execute(struct mock_hw *hw)
{
	struct mock_fw *fw = &hw->fw;
	bool lasts = false;

	fw->state = FW_IDLE;
	switch (PM4_OP(fw->packet[0])) {
	case IT_NOP:
		hw->stats.hiq_nop++;
		break;
	case IT_SET_RESOURCES:
		do_set_resources(hw);
		break;
	case IT_RUN_LIST:
		lasts = do_runlist(hw);
		break;
	case IT_UNMAP_QUEUES:
		lasts = do_unmap(hw);
		break;
	case IT_QUERY_STATUS:
		do_query(hw);
		break;
	case IT_WRITE_DATA:
		do_write_data(hw);
		break;
	default:
		mock_violation(hw->md, "HIQ: packet %x is not known", fw->packet[0]);
		break;
	}
	if (!lasts)
		packet_done(hw);
}

static void fw_step(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_fw *fw = &hw->fw;

	switch (fw->state) {
	case FW_PACKET:
		execute(hw);
		break;
	case FW_UNMAP:
		/* something did not answer: give up without a word */
		log_deaf(hw);
		packet_done(hw);
		break;
	case FW_SLICE:
		log_deaf(hw);
		fallthrough;
	case FW_SLICE_MAP:
		map_slice(hw);
		fw->state = FW_IDLE;
		fw_run(hw);
		break;
	case FW_MAP:
		map_slice(hw);
		packet_done(hw);
		break;
	case FW_IDLE:
		break;
	}
}

/**
 * mock_fw_hqd_off - a queue has left an XCC
 * @hw: the GPU
 */
void mock_fw_hqd_off(struct mock_hw *hw)
{
	struct mock_fw *fw = &hw->fw;

	if ((fw->state != FW_UNMAP && fw->state != FW_SLICE) || anything_going(hw))
		return;
	put_vmids(hw);
	if (fw->state == FW_UNMAP) {
		mock_check_counts(hw, "unmap");
		packet_done(hw);
		return;
	}
	fw->state = FW_SLICE_MAP;
	mock_event_arm(hw, &fw->ev, hw->now + (u64)count_packets(hw) * mock_fw_ns,
		       fw_step);
}

static void rotate(struct mock_hw *hw)
{
	struct mock_fw *fw = &hw->fw;
	struct mock_queue *q;

	fw->rotate = false;
	if (!fw->valid || !fw->chained || fw->all)
		return;
	hw->stats.rotations++;
	list_for_each_entry(q, &hw->mapped, node)
		q->going = q->hws && !q->is_static;
	fw->state = FW_SLICE;
	mock_event_arm(hw, &fw->ev, give_up_time(hw), fw_step);
	if (anything_going(hw))
		take_off(hw, DEQUEUE_SAVE);
	else
		mock_fw_hqd_off(hw);
}

/* Take the next packet, if there is one and nothing is being done. */
static void fw_run(struct mock_hw *hw)
{
	struct mock_hiq *hiq = &hw->hiq;
	struct mock_fw *fw = &hw->fw;
	u32 i, at;

	if (fw->state != FW_IDLE || hiq->mapped != mock_all_xcc(hw))
		return;
	if (hiq->rptr == hiq->wptr) {
		if (fw->rotate)
			rotate(hw);
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
 * @hw: the GPU
 */
void mock_fw_poll(struct mock_hw *hw)
{
	struct mock_hiq *hiq = &hw->hiq;
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
	fw_run(hw);
}

void mock_fw_init(struct mock_hw *hw)
{
	memset(&hw->fw, 0, sizeof(hw->fw));
}

/* What the firmware was doing is forgotten. */
void mock_fw_reset(struct mock_hw *hw)
{
	struct mock_queue *q;
	u32 i;

	mock_event_cancel(hw, &hw->fw.ev);
	mock_event_cancel(hw, &hw->fw.quantum);
	mock_fw_init(hw);
	hw->hiq.rptr = hw->hiq.wptr;
	list_for_each_entry(q, &hw->mapped, node)
		q->going = false;
	for (i = 0; i < MOCK_VMIDS; i++)
		hw->vmid[i].busy = false;
}
