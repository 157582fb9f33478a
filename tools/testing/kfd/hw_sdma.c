// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: SDMA engines and their user queues.
 *
 * Registers are those of sdma_4_4_2_offset.h, as the real
 * amdgpu_amdkfd_gc_9_4_3.c uses them; all that a queue is, is in them. With HWS
 * firmware loads them from struct v9_sdma_mqd. Packets are those of
 * vega10_sdma_pkt_open.h, as sdma_v4_4_2.c and ROCR fill them: lengths are
 * bytes less one, of up to 30 bits; pointers into the ring are bytes, 64 bits,
 * and do not wrap.
 *
 * An engine executes one packet at a time and takes turns between its queues.
 * What is copied, filled or written is so a piece after the other, and a queue
 * may go in between. Firmware saves how far a packet has come in the MQD, in the
 * MIDCMD registers (the layout is ours), and it goes on from there. Without HWS
 * only the read pointer outlives the queue: the packet begins anew.
 *
 * What is not modelled: indirect buffers, tiled and broadcast copies, registers
 * to be polled or written, retry counts (POLL_REGMEM waits until it is met, and
 * other queues run meanwhile), the activity counter behind the read pointer.
 * Such a packet stops the queue, as an AQL packet does that is not known.
 */

#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string_choices.h>
#include "hw.h"
#include "kfd_pm4_headers_ai.h"
#include "sdma/sdma_4_4_2_offset.h"
#include "sdma/sdma_4_4_2_sh_mask.h"
#include "ivsrcid/sdma0/irqsrcs_sdma0_4_0.h"
#include "soc15_ih_clientid.h"
#include "vega10_sdma_pkt_open.h"

static unsigned int mock_sdma_packet_ns = 500;
module_param(mock_sdma_packet_ns, uint, 0644);
MODULE_PARM_DESC(mock_sdma_packet_ns, "ns for an SDMA packet or a part of it (default 500)");

static unsigned int mock_sdma_bytes_us = 10000;
module_param(mock_sdma_bytes_us, uint, 0644);
MODULE_PARM_DESC(mock_sdma_bytes_us, "Bytes that an SDMA engine moves in a us (default 10000)");

/* What is moved between two looks at anything else */
#define SDMA_PIECE	0x8000U
#define SDMA_BUF	(2 * PAGE_SIZE)		/* mock_hw.buf */
#define SDMA_MAX_DW	13			/* of a packet, without data */

#define RLC_STRIDE	(MOCK_REG(SDMA_RLC1_RB_CNTL) - MOCK_REG(SDMA_RLC0_RB_CNTL))
#define RLC_REG(name)	(MOCK_REG(SDMA_RLC0_##name) - MOCK_REG(SDMA_RLC0_RB_CNTL))
#define RLC(q, name)	((q)->reg[RLC_REG(name)])
#define RLC64(q, name)	get64(q, RLC_REG(name))

#define SDMA_MQD(field)	offsetof(struct v9_sdma_mqd, sdmax_rlcx_##field)

/* A field of a packet, as vega10_sdma_pkt_open.h names them */
#define PKT(p, reg, field)						\
	((p)[SDMA_PKT_##reg##_##field##_offset] >>			\
	 SDMA_PKT_##reg##_##field##_shift & SDMA_PKT_##reg##_##field##_mask)
#define PKT_LEN(dw)	(((dw) & 0x3fffffff) + 1)

/* The header has them for the PTE/PDE packet only */
#define COPY_BROADCAST	BIT(27)
#define FILL_BYTES	0
#define FILL_DWORDS	2
/* vega10_enum.h: TC_OP_ATOMIC_ADD_RTN_32, _64 */
#define ATOMIC_ADD32	0x0f
#define ATOMIC_ADD64	0x2f

static void sdma_step(struct mock_hw *hw, struct mock_event *ev);

static bool is_up(const struct mock_sdma_queue *q)
{
	return !list_empty(&q->node);
}

static u64 get64(const struct mock_sdma_queue *q, u32 rlc)
{
	return mock_u64(q->reg[rlc], q->reg[rlc + 1]);
}

static void set64(struct mock_sdma_queue *q, u32 rlc, u64 val)
{
	q->reg[rlc] = lower_32_bits(val);
	q->reg[rlc + 1] = upper_32_bits(val);
}

/* Bytes of the packet at rptr that are done with */
static u64 progress(struct mock_sdma_queue *q)
{
	if (!(RLC(q, MIDCMD_CNTL) & SDMA_RLC0_MIDCMD_CNTL__DATA_VALID_MASK))
		return 0;
	return mock_u64(RLC(q, MIDCMD_DATA0), RLC(q, MIDCMD_DATA1));
}

static void set_progress(struct mock_sdma_queue *q, u64 done)
{
	RLC(q, MIDCMD_CNTL) = done ? SDMA_RLC0_MIDCMD_CNTL__DATA_VALID_MASK : 0;
	set64(q, RLC_REG(MIDCMD_DATA0), done);
}

static u64 ring_size(struct mock_sdma_queue *q)
{
	return 4ULL << ((RLC(q, RB_CNTL) & SDMA_RLC0_RB_CNTL__RB_SIZE_MASK) >>
			SDMA_RLC0_RB_CNTL__RB_SIZE__SHIFT);
}

static u64 ring_va(struct mock_sdma_queue *q, u64 pos)
{
	return (RLC64(q, RB_BASE) << 8) + (pos & (ring_size(q) - 1));
}

/* A ring cannot hold more than its size, whatever the program says. */
static void set_wptr(struct mock_sdma_queue *q, u64 wptr)
{
	u64 rptr = RLC64(q, RB_RPTR);

	wptr &= ~3ULL;
	if (wptr > rptr && wptr - rptr > ring_size(q))
		wptr = rptr + ring_size(q);
	if (wptr > RLC64(q, RB_WPTR))
		set64(q, RLC_REG(RB_WPTR), wptr);
}

static void fault(struct mock_hw *hw, struct mock_sdma_queue *q, u64 va, bool write,
		  const char *what)
{
	hw->stats.vm_faults++;
	q->error = true;
	mock_violation(hw->md,
		       "pasid %u vmid %u SDMA doorbell %x: %s of %s at %llx, nothing is mapped there",
		       q->pasid, q->vmid, q->doorbell, str_write_read(write), what, va);
}

/* Queues come and go */

static void kick(struct mock_hw *hw, struct mock_sdma_queue *q)
{
	struct mock_event *ev = &hw->sdma_engine[q->engine].ev;

	if (!ev->armed)
		mock_event_arm(hw, ev, hw->now, sdma_step);
}

static void queue_up(struct mock_hw *hw, struct mock_sdma_queue *q, u32 vmid, u64 wptr)
{
	q->vmid = vmid;
	q->pasid = q->part->vmid[vmid].pasid;
	q->vm = mock_vm_find(hw->md, q->part->vmid[vmid].pd_base);
	q->doorbell = (RLC(q, DOORBELL_OFFSET) & SDMA_RLC0_DOORBELL_OFFSET__OFFSET_MASK) >>
		SDMA_RLC0_DOORBELL_OFFSET__OFFSET__SHIFT;
	q->waits = false;
	q->error = !q->vm;
	if (q->error)
		mock_violation(hw->md,
			       "SDMA doorbell %x: vmid %u with page directory %llx is no address space",
			       q->doorbell, vmid, q->part->vmid[vmid].pd_base);
	set64(q, RLC_REG(RB_WPTR), RLC64(q, RB_RPTR));
	set_wptr(q, wptr);
	list_add_tail(&q->node, &hw->sdma_queues);
	hw->active = hw->now;
	kick(hw, q);
}

static void queue_down(struct mock_sdma_queue *q)
{
	set_progress(q, 0);
	list_del_init(&q->node);
	q->vm = NULL;
}

/**
 * mock_sdma_drop - a queue is no more, whatever it was doing
 * @q: the queue
 */
void mock_sdma_drop(struct mock_sdma_queue *q)
{
	RLC(q, RB_CNTL) &= ~SDMA_RLC0_RB_CNTL__RB_ENABLE_MASK;
	queue_down(q);
}

/* The queue of a register, and which register of a queue it is */
static struct mock_sdma_queue *reg_queue(struct mock_hw *hw, u32 reg, u32 *rlc)
{
	u32 at = reg % MOCK_SDMA_STRIDE - MOCK_REG(SDMA_RLC0_RB_CNTL);

	*rlc = at % RLC_STRIDE;
	if (at / RLC_STRIDE >= MOCK_SDMA_QUEUES)
		return NULL;
	return &hw->sdma_engine[reg / MOCK_SDMA_STRIDE].queue[at / RLC_STRIDE];
}

/**
 * mock_sdma_read - read a register
 * @hw: the GPU
 * @reg: number, from the first one of the first engine
 *
 * Return: its value
 */
u32 mock_sdma_read(struct mock_hw *hw, u32 reg)
{
	struct mock_sdma_queue *q;
	u32 rlc;

	if (reg >= MOCK_SDMAS * MOCK_SDMA_STRIDE)
		return 0;
	q = reg_queue(hw, reg, &rlc);
	if (!q || rlc != RLC_REG(CONTEXT_STATUS))
		return hw->sdma[reg];
	return is_up(q) && RLC64(q, RB_RPTR) != RLC64(q, RB_WPTR) ?
		0 : SDMA_RLC0_CONTEXT_STATUS__IDLE_MASK;
}

/* RB_CNTL, or the doorbell, which must be enabled too for a queue to run */
static void write_cntl(struct mock_hw *hw, struct mock_sdma_queue *q)
{
	u32 cntl = RLC(q, RB_CNTL);
	u32 vmid = (cntl & SDMA_RLC0_RB_CNTL__RB_VMID_MASK) >>
		SDMA_RLC0_RB_CNTL__RB_VMID__SHIFT;

	if (!(cntl & SDMA_RLC0_RB_CNTL__RB_ENABLE_MASK)) {
		if (is_up(q))
			queue_down(q);
	} else if (!is_up(q) && RLC(q, DOORBELL) & SDMA_RLC0_DOORBELL__ENABLE_MASK) {
		q->hws = false;
		q->mqd = 0;
		queue_up(hw, q, vmid, RLC64(q, RB_WPTR));
	}
}

/**
 * mock_sdma_write - write a register
 * @hw: the GPU
 * @reg: number, from the first one of the first engine
 * @val: value
 */
void mock_sdma_write(struct mock_hw *hw, u32 reg, u32 val)
{
	struct mock_sdma_queue *q;
	u32 rlc;

	if (reg >= MOCK_SDMAS * MOCK_SDMA_STRIDE)
		return;
	q = reg_queue(hw, reg, &rlc);
	if (q && is_up(q) && (q->hws || rlc != RLC_REG(RB_CNTL)))
		mock_violation(hw->md, "SDMA engine %u queue %u: register %x is written while %s",
			       q->engine, q->queue, rlc,
			       q->hws ? "firmware has the queue" : "it is enabled");
	hw->sdma[reg] = val;
	if (!q)
		return;
	if (rlc == RLC_REG(RB_CNTL))
		write_cntl(hw, q);
	else if (rlc == RLC_REG(DOORBELL) && val & SDMA_RLC0_DOORBELL__ENABLE_MASK)
		/* the write pointer is read after this, if it was rung before */
		mock_doorbell_take(hw->md, (RLC(q, DOORBELL_OFFSET) &
					    SDMA_RLC0_DOORBELL_OFFSET__OFFSET_MASK) >>
				   SDMA_RLC0_DOORBELL_OFFSET__OFFSET__SHIFT);
}

/* Firmware */

/* The engine that a packet means, two for each XCC, or NULL */
static struct mock_sdma_engine *packet_engine(struct mock_part *part,
					      const struct pm4_mes_map_queues *p)
{
	u32 n = p->bitfields2.engine_sel;

	switch (p->bitfields2.extended_engine_sel) {
	case extended_engine_sel__mes_map_queues__legacy_engine_sel:
		n -= engine_sel__mes_map_queues__sdma0_vi;
		break;
	case extended_engine_sel__mes_map_queues__sdma0_to_7_sel:
		break;
	case extended_engine_sel__mes_map_queues__sdma8_to_15_sel:
		n += 8;
		break;
	default:
		return NULL;
	}
	if (n >= 2 * hweight8(part->xccs))
		return NULL;
	return &part->hw->sdma_engine[2 * mock_master(part) + n];
}

/**
 * mock_sdma_map - MAP_QUEUES of an SDMA queue
 * @part: the partition
 * @p: the packet
 * @vmid: of its process
 *
 * Return: false when the engine has no room
 */
bool mock_sdma_map(struct mock_part *part, const struct pm4_mes_map_queues *p, u32 vmid)
{
	struct mock_sdma_engine *e = packet_engine(part, p);
	u64 mqd = mock_u64(p->mqd_addr_lo, p->mqd_addr_hi);
	u64 va = mock_u64(p->wptr_addr_lo, p->wptr_addr_hi), wptr;
	u32 doorbell = p->bitfields3.doorbell_offset;
	struct mock_hw *hw = part->hw;
	struct mock_sdma_queue *q;
	struct v9_sdma_mqd m;
	u32 i;

	if (!e || mock_mem_read(&hw->md->gart, mqd, &m, sizeof(m))) {
		mock_violation(hw->md, "MAP_QUEUES: no SDMA engine %u of %u, or no MQD at %llx",
			       p->bitfields2.engine_sel, p->bitfields2.extended_engine_sel, mqd);
		return true;
	}
	list_for_each_entry(q, &hw->sdma_queues, node)
		if (q->mqd == mqd)
			mock_violation(hw->md,
				       "runlist: pasid %u SDMA doorbell %x is mapped already",
				       q->pasid, q->doorbell);
	if (m.sdmax_rlcx_doorbell_offset != doorbell << SDMA_RLC0_DOORBELL_OFFSET__OFFSET__SHIFT)
		mock_violation(hw->md, "MAP_QUEUES: SDMA doorbell %x, the MQD says %x",
			       doorbell, m.sdmax_rlcx_doorbell_offset);
	for (i = 0; i < MOCK_SDMA_QUEUES; i++)
		if (!is_up(&e->queue[i]))
			break;
	if (i == MOCK_SDMA_QUEUES)
		return false;
	q = &e->queue[i];
	q->hws = true;
	q->mqd = mqd;
	RLC(q, RB_CNTL) = m.sdmax_rlcx_rb_cntl | SDMA_RLC0_RB_CNTL__RB_ENABLE_MASK;
	RLC(q, RB_BASE) = m.sdmax_rlcx_rb_base;
	RLC(q, RB_BASE_HI) = m.sdmax_rlcx_rb_base_hi;
	RLC(q, RB_RPTR) = m.sdmax_rlcx_rb_rptr;
	RLC(q, RB_RPTR_HI) = m.sdmax_rlcx_rb_rptr_hi;
	RLC(q, RB_RPTR_ADDR_LO) = m.sdmax_rlcx_rb_rptr_addr_lo;
	RLC(q, RB_RPTR_ADDR_HI) = m.sdmax_rlcx_rb_rptr_addr_hi;
	RLC(q, DOORBELL) = m.sdmax_rlcx_doorbell | SDMA_RLC0_DOORBELL__ENABLE_MASK;
	RLC(q, DOORBELL_OFFSET) = m.sdmax_rlcx_doorbell_offset;
	RLC(q, MIDCMD_DATA0) = m.sdmax_rlcx_midcmd_data0;
	RLC(q, MIDCMD_DATA1) = m.sdmax_rlcx_midcmd_data1;
	RLC(q, MIDCMD_CNTL) = m.sdmax_rlcx_midcmd_cntl;
	/* it may have been rung before */
	mock_doorbell_take(hw->md, doorbell);
	queue_up(hw, q, vmid, 0);
	if (!q->vm)
		return true;
	if (mock_mem_read64(q->vm, va, &wptr))
		fault(hw, q, va, false, "a write pointer");
	else
		set_wptr(q, wptr);
	return true;
}

/**
 * mock_sdma_unmap - firmware takes a queue off its engine
 * @hw: the GPU
 * @q: the queue
 */
void mock_sdma_unmap(struct mock_hw *hw, struct mock_sdma_queue *q)
{
	struct mock_vm *gart = &hw->md->gart;

	/* the registers of each are next to each other, as in the MQD */
	if (mock_mem_write(gart, q->mqd + SDMA_MQD(rb_rptr), &RLC(q, RB_RPTR), 16) ||
	    mock_mem_write(gart, q->mqd + SDMA_MQD(midcmd_data0), &RLC(q, MIDCMD_DATA0), 8) ||
	    mock_mem_write(gart, q->mqd + SDMA_MQD(midcmd_cntl), &RLC(q, MIDCMD_CNTL), 4))
		mock_violation(hw->md, "pasid %u SDMA doorbell %x: no MQD at %llx",
			       q->pasid, q->doorbell, q->mqd);
	mock_sdma_drop(q);
}

/* Packets */

static void trap(struct mock_hw *hw, struct mock_sdma_queue *q, u32 context)
{
	/* an AID has four engines, see sdma_v4_4_2_process_trap_irq() */
	static const u8 client[4] = {
		SOC15_IH_CLIENTID_SDMA0, SOC15_IH_CLIENTID_SDMA1,
		SOC15_IH_CLIENTID_SDMA2, SOC15_IH_CLIENTID_SDMA3,
	};
	u32 entry[8] = {
		client[q->engine % 4] | SDMA0_4_0__SRCID__SDMA_TRAP << 8 |
		q->queue << 16 | (u32)q->vmid << 24,
		(u32)mock_hw_clock(hw->md), 0, q->pasid | (q->engine / 4 * 4) << 16, context,
	};

	hw->stats.sdma_traps++;
	hw->stats.interrupts++;
	mock_irq(hw->md, entry);
}

static bool poll_met(u32 func, u32 val, u32 ref)
{
	switch (func) {
	case 1:
		return val < ref;
	case 2:
		return val <= ref;
	case 3:
		return val == ref;
	case 4:
		return val != ref;
	case 5:
		return val >= ref;
	case 6:
		return val > ref;
	}
	return true;
}

#define OP(op, sub)	(SDMA_OP_##op | (sub) << 8)
#define OP_SUBWIN	OP(COPY, SDMA_SUBOP_COPY_LINEAR_SUB_WIND)
#define OP_TIMESTAMP	OP(TIMESTAMP, SDMA_SUBOP_TIMESTAMP_GET_GLOBAL)
#define SUBWIN(p, field)	PKT(p, COPY_LINEAR_SUBWIN, field)

static u32 packet_op(const u32 *p)
{
	return PKT(p, HEADER, op) | PKT(p, HEADER, sub_op) << 8;
}

static u32 fill_size(const u32 *p)
{
	return PKT(p, CONSTANT_FILL_HEADER, fillsize);
}

static u64 subwin_row(const u32 *p)
{
	return (SUBWIN(p, DW_11_rect_x) + 1ULL) << SUBWIN(p, HEADER_elementsize);
}

/* Memory, or nothing at all: a flush of the HDP cache (as ROCR asks for it, too) */
static bool poll_known(const u32 *p)
{
	return PKT(p, POLL_REGMEM_HEADER, mem_poll) || PKT(p, POLL_REGMEM_HEADER, hdp_flush) ||
		!PKT(p, POLL_REGMEM_HEADER, func);
}

static bool atomic_known(const u32 *p)
{
	u32 op = PKT(p, ATOMIC_HEADER, atomic_op);

	return !PKT(p, ATOMIC_HEADER, loop) && (op == ATOMIC_ADD32 || op == ATOMIC_ADD64);
}

/* Dwords of a packet, 0 when it is not known */
static u32 packet_dw(const u32 *p)
{
	switch (packet_op(p)) {
	case OP(NOP, 0):
		return 1 + PKT(p, NOP_HEADER, count);
	case OP(COPY, SDMA_SUBOP_COPY_LINEAR):
		return p[0] & COPY_BROADCAST ? 0 : 7;
	case OP_SUBWIN:
		return SUBWIN(p, HEADER_elementsize) > 4 ? 0 : 13;
	case OP(WRITE, SDMA_SUBOP_WRITE_LINEAR):
		return 4 + PKT(p, WRITE_UNTILED, DW_3_count) + 1;
	case OP(FENCE, 0):
		return 4;
	case OP(TRAP, 0):
		return 2;
	case OP(POLL_REGMEM, 0):
		return poll_known(p) ? 6 : 0;
	case OP(ATOMIC, 0):
		return atomic_known(p) ? 8 : 0;
	case OP(CONST_FILL, 0):
		return fill_size(p) == FILL_BYTES || fill_size(p) == FILL_DWORDS ? 5 : 0;
	case OP_TIMESTAMP:
		return 3;
	}
	return 0;
}

/* Bytes that it moves */
static u64 packet_bytes(const u32 *p)
{
	switch (packet_op(p)) {
	case OP(COPY, SDMA_SUBOP_COPY_LINEAR):
		return PKT_LEN(p[1]);
	case OP_SUBWIN:
		return subwin_row(p) * (SUBWIN(p, DW_11_rect_y) + 1) *
			(SUBWIN(p, DW_12_rect_z) + 1);
	case OP(WRITE, SDMA_SUBOP_WRITE_LINEAR):
		return 4 * (PKT(p, WRITE_UNTILED, DW_3_count) + 1);
	case OP(CONST_FILL, 0):
		return fill_size(p) == FILL_DWORDS ? ALIGN(PKT_LEN(p[4]), 4) : PKT_LEN(p[4]);
	}
	return 0;
}

/*
 * Where the byte @at of a packet comes from and goes to, and how many follow it
 * on both sides, at most @n: returns that.
 */
static u32 packet_span(struct mock_sdma_queue *q, const u32 *p, u64 at, u32 n,
		       u64 *src, u64 *dst)
{
	u32 x, y, z, rows = SUBWIN(p, DW_11_rect_y) + 1, size = SUBWIN(p, HEADER_elementsize);
	u64 left;

	switch (packet_op(p)) {
	case OP(COPY, SDMA_SUBOP_COPY_LINEAR):
		*src = mock_u64(p[3], p[4]) + at;
		*dst = mock_u64(p[5], p[6]) + at;
		break;
	case OP_SUBWIN:
		z = div64_u64_rem(at, subwin_row(p), &left);
		x = left;
		y = z % rows;
		z /= rows;
		n = min_t(u64, n, subwin_row(p) - x);
		*src = mock_u64(p[1], p[2]) + x +
			((SUBWIN(p, DW_3_src_x) +
			  (u64)(SUBWIN(p, DW_3_src_y) + y) * (SUBWIN(p, DW_4_src_pitch) + 1) +
			  (u64)(SUBWIN(p, DW_4_src_z) + z) *
			  (SUBWIN(p, DW_5_src_slice_pitch) + 1)) << size);
		*dst = mock_u64(p[6], p[7]) + x +
			((SUBWIN(p, DW_8_dst_x) +
			  (u64)(SUBWIN(p, DW_8_dst_y) + y) * (SUBWIN(p, DW_9_dst_pitch) + 1) +
			  (u64)(SUBWIN(p, DW_9_dst_z) + z) *
			  (SUBWIN(p, DW_10_dst_slice_pitch) + 1)) << size);
		break;
	case OP(WRITE, SDMA_SUBOP_WRITE_LINEAR):
		/* up to where the ring ends */
		left = RLC64(q, RB_RPTR) + 16 + at;
		n = min_t(u64, n, ring_size(q) - (left & (ring_size(q) - 1)));
		*src = ring_va(q, left);
		fallthrough;
	default:
		*dst = mock_u64(p[1], p[2]) + at;
		break;
	}
	return n;
}

/* Move what is next of a packet. Returns how much, 0 for a fault. */
static u32 move(struct mock_hw *hw, struct mock_sdma_queue *q, const u32 *p, u64 at, u64 bytes)
{
	u64 src = 0, dst = 0;
	u32 n = packet_span(q, p, at, min_t(u64, bytes - at, SDMA_BUF), &src, &dst);
	bool fill = PKT(p, HEADER, op) == SDMA_OP_CONST_FILL;

	if (fill && fill_size(p) == FILL_DWORDS) {
		memset32((u32 *)hw->buf, p[3], SDMA_BUF / 4);
	} else if (fill) {
		memset(hw->buf, p[3], n);
	} else if (mock_mem_read(q->vm, src, hw->buf, n)) {
		fault(hw, q, src, false, "what is copied");
		return 0;
	}
	if (mock_mem_write(q->vm, dst, hw->buf, n)) {
		fault(hw, q, dst, true, "what is copied");
		return 0;
	}
	hw->stats.sdma_bytes += n;
	return n;
}

/* What does not move bytes. False: not yet, or never. */
static bool execute(struct mock_hw *hw, struct mock_sdma_queue *q, const u32 *p)
{
	u64 va = mock_u64(p[1], p[2]), data = mock_u64(p[3], p[4]);
	u32 val;
	int r = 0;

	switch (PKT(p, HEADER, op)) {
	case SDMA_OP_FENCE:
		r = mock_mem_write(q->vm, va, &p[3], 4);
		break;
	case SDMA_OP_TRAP:
		trap(hw, q, PKT(p, TRAP_INT_CONTEXT, int_context));
		break;
	case SDMA_OP_POLL_REGMEM:
		if (!PKT(p, POLL_REGMEM_HEADER, mem_poll))
			break;
		r = mock_mem_read32(q->vm, va, &val);
		if (!r && !poll_met(PKT(p, POLL_REGMEM_HEADER, func), val & p[4], p[3])) {
			q->waits = true;
			q->poll = va;
			q->poll_mask = p[4];
			q->poll_val = val & p[4];
			return false;
		}
		break;
	case SDMA_OP_ATOMIC:
		if (PKT(p, ATOMIC_HEADER, atomic_op) == ATOMIC_ADD64)
			r = mock_mem_add64(q->vm, va, data, NULL);
		else
			r = mock_mem_add32(q->vm, va, p[3], NULL);
		break;
	case SDMA_OP_TIMESTAMP:
		data = div_u64(hw->now, 10);
		r = mock_mem_write(q->vm, va & ~7ULL, &data, sizeof(data));
		break;
	}
	if (r)
		fault(hw, q, va, PKT(p, HEADER, op) != SDMA_OP_POLL_REGMEM, "an operand");
	return !r;
}

/* The packet is consumed: its place is free again. */
static void packet_done(struct mock_hw *hw, struct mock_sdma_queue *q, u32 dw)
{
	u64 rptr = RLC64(q, RB_RPTR) + 4ULL * dw;
	u64 va = mock_u64(RLC(q, RB_RPTR_ADDR_LO), RLC(q, RB_RPTR_ADDR_HI));

	hw->stats.sdma_packets++;
	set_progress(q, 0);
	set64(q, RLC_REG(RB_RPTR), rptr);
	if (RLC(q, RB_CNTL) & SDMA_RLC0_RB_CNTL__RPTR_WRITEBACK_ENABLE_MASK &&
	    mock_mem_write(q->vm, va, &rptr, sizeof(rptr)))
		fault(hw, q, va, true, "a read pointer");
}

/* Execute a packet or a piece of it. Returns bytes that were moved. */
static u32 advance(struct mock_hw *hw, struct mock_sdma_queue *q)
{
	u64 rptr = RLC64(q, RB_RPTR), done = progress(q), bytes;
	u32 n, at, dw, moved = 0, p[SDMA_MAX_DW];

	/* the engine fetches more than it needs, and goes round at the end */
	for (at = 0; at < sizeof(p); at += n) {
		n = min_t(u64, sizeof(p) - at,
			  ring_size(q) - ((rptr + at) & (ring_size(q) - 1)));
		if (mock_mem_read(q->vm, ring_va(q, rptr + at), (void *)p + at, n)) {
			fault(hw, q, ring_va(q, rptr + at), false, "a packet");
			return 0;
		}
	}
	dw = packet_dw(p);
	if (!dw || 4ULL * dw > ring_size(q)) {
		hw->stats.queue_errors++;
		q->error = true;
		mock_violation(hw->md,
			       "pasid %u SDMA doorbell %x: packet at %llu with header %x cannot be executed",
			       q->pasid, q->doorbell, rptr, p[0]);
		return 0;
	}
	if (RLC64(q, RB_WPTR) - rptr < 4ULL * dw) {
		/* the rest is still to come */
		q->waits = true;
		q->poll = 0;
		return 0;
	}
	bytes = packet_bytes(p);
	while (done < bytes && moved < SDMA_PIECE) {
		n = move(hw, q, p, done, bytes);
		if (!n)
			return moved;
		moved += n;
		done += n;
	}
	if (done < bytes)
		set_progress(q, done);
	else if (bytes || execute(hw, q, p))
		packet_done(hw, q, dw);
	return moved;
}

static bool is_ready(struct mock_sdma_queue *q)
{
	return is_up(q) && !q->error && !q->waits && RLC64(q, RB_RPTR) != RLC64(q, RB_WPTR);
}

/* The packet in progress goes first, then the queue after its. */
static struct mock_sdma_queue *next_queue(struct mock_sdma_engine *e)
{
	u32 i, first = e->turn + !progress(&e->queue[e->turn]);

	for (i = 0; i < MOCK_SDMA_QUEUES; i++) {
		e->turn = (first + i) % MOCK_SDMA_QUEUES;
		if (is_ready(&e->queue[e->turn]))
			return &e->queue[e->turn];
	}
	return NULL;
}

static void sdma_step(struct mock_hw *hw, struct mock_event *ev)
{
	struct mock_sdma_engine *e = container_of(ev, struct mock_sdma_engine, ev);
	struct mock_sdma_queue *q = next_queue(e);
	u64 ns;

	if (!q)
		return;
	ns = mock_sdma_packet_ns +
		div_u64((u64)advance(hw, q) * NSEC_PER_USEC, max(mock_sdma_bytes_us, 1U));
	mock_event_arm(hw, &e->ev, hw->now + ns, sdma_step);
}

/* Programs copy when long dispatches end: there is nothing new most of the time */
static bool has_changed(struct mock_sdma_queue *q)
{
	u32 val;

	return q->poll && (mock_mem_read32(q->vm, q->poll, &val) ||
			   (val & q->poll_mask) != q->poll_val);
}

/**
 * mock_sdma_poll - see which doorbells were rung, and what is waited for
 * @hw: the GPU
 */
void mock_sdma_poll(struct mock_hw *hw)
{
	struct mock_sdma_queue *q;
	u64 val;

	list_for_each_entry(q, &hw->sdma_queues, node) {
		val = mock_doorbell_take(hw->md, q->doorbell);
		if (val != MOCK_DOORBELL_NONE) {
			hw->stats.doorbells++;
			hw->active = hw->now;
			set_wptr(q, val);
		} else if (!q->waits || !has_changed(q)) {
			continue;
		}
		q->waits = false;
		kick(hw, q);
	}
}

/**
 * mock_sdma_show - what is mapped where, for debugfs
 * @m: the file
 * @hw: the GPU
 */
void mock_sdma_show(struct seq_file *m, struct mock_hw *hw)
{
	struct mock_sdma_queue *q;

	list_for_each_entry(q, &hw->sdma_queues, node)
		seq_printf(m, "sdma %u queue %u vmid %u pasid %u doorbell %x rptr %llu wptr %llu done %llu%s%s%s\n",
			   q->engine, q->queue, q->vmid, q->pasid, q->doorbell,
			   RLC64(q, RB_RPTR), RLC64(q, RB_WPTR), progress(q),
			   q->hws ? "" : " nohws", q->waits ? " waits" : "",
			   q->error ? " error" : "");
}

/**
 * mock_sdma_init - all queues are off
 * @hw: the GPU; its partitions and registers are there
 */
void mock_sdma_init(struct mock_hw *hw)
{
	struct mock_sdma_queue *q;
	u32 i, j;

	for (i = 0; i < 2 * hw->md->num_xcc; i++) {
		for (j = 0; j < MOCK_SDMA_QUEUES; j++) {
			q = &hw->sdma_engine[i].queue[j];
			q->part = hw->xcc[i / 2].part;
			q->engine = i;
			q->queue = j;
			q->reg = &hw->sdma[i * MOCK_SDMA_STRIDE +
					   MOCK_REG(SDMA_RLC0_RB_CNTL) + j * RLC_STRIDE];
			INIT_LIST_HEAD(&q->node);
		}
	}
}
