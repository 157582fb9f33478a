/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hardware side of the mock GPU: what its files know of each other.
 * hw.c says what is modelled and what is not.
 */
#ifndef KFD_MOCK_HW_H
#define KFD_MOCK_HW_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/timerqueue.h>
#include "mock.h"
#include "v9_structs.h"

#define MOCK_PIPES	4	/* of a micro-engine */
#define MOCK_QUEUES	8	/* of a pipe */
#define MOCK_HQDS	(MOCK_PIPES * MOCK_QUEUES)
#define MOCK_VMIDS	16
#define MOCK_SDMAS	(2 * MOCK_MAX_XCC)
#define MOCK_SDMA_STRIDE	0x400		/* registers of an engine */
#define MOCK_SDMA_QUEUES	8		/* of an engine */

/*
 * The HQD registers lie in the MQD in the same order, CP_MQD_BASE_ADDR first
 * (kgd_gfx_v9_4_3_hqd_load() relies on it), so a register is named here by the
 * dword of struct v9_mqd that it is loaded from.
 */
#define MQD_DW(field)	(offsetof(struct v9_mqd, field) / 4)
#define MQD_HQD_FIRST	MQD_DW(cp_mqd_base_addr_lo)
/* CP_HQD_AQL_DISPATCH_ID, the last two of them, have no name in v9_mqd */
#define MQD_DISPATCH_ID	MQD_DW(reserved_185)
#define MQD_HQD_END	(MQD_DISPATCH_ID + 2)

#define AQL_PACKET_SIZE	64

/* Offset of a register, as the headers in asic_reg name it. */
#define MOCK_REG(name)	(reg##name)

struct mock_event;
typedef void (*mock_event_fn)(struct mock_hw *hw, struct mock_event *ev);

/* Something that happens at a time of the model (ns of CLOCK_MONOTONIC). */
struct mock_event {
	struct timerqueue_node node;
	mock_event_fn fn;
	bool armed;
};

/**
 * struct mock_dispatch - a kernel dispatch that has not ended
 * @node: in mock_queue.dispatches, in the order of the packets
 * @q: its queue
 * @id: packet index in the queue
 * @start: when it was launched
 * @left: for each XCC, workgroups not ended: not launched, in flight or saved
 * @packet: the AQL packet
 * @kernel: enum gfx942_kernel_id, MOCK_COPY, MOCK_FILL, or GFX942_KERNELS when not
 *	known
 * @counters: from the kernarg segment, as the next ones
 * @flag: see @counters
 * @value: see @counters; what MOCK_FILL fills with
 * @src: address that MOCK_COPY reads
 * @dst: address that MOCK_COPY and MOCK_FILL write
 * @len: bytes of that
 * @duration: ns of a workgroup
 * @released: @flag was seen set
 * @groups: workgroups in x, y, z
 * @total: all workgroups
 * @waves: of a workgroup
 *
 * Several XCCs work on one dispatch. This is what they tell each other while
 * the queue is mapped; it is not kept when the queue goes: what is kept is in
 * memory, in the MQD and the save area of each XCC.
 */
struct mock_dispatch {
	struct list_head node;
	struct mock_queue *q;
	u64 id;
	u64 start;
	u32 left[MOCK_MAX_XCC];
	u8 packet[AQL_PACKET_SIZE];
	u32 kernel;
	u64 counters;
	u64 flag;
	u32 value;
	u64 src;
	u64 dst;
	u64 len;
	u64 duration;
	bool released;
	u32 groups[3];
	u32 total;
	u32 waves;
};

/* Kernels of the runtime: hw_blit.c. Beyond enum gfx942_kernel_id */
enum { MOCK_COPY = 0x100, MOCK_FILL };

/**
 * struct mock_batch - workgroups of one dispatch that run side by side
 * @ev: their end
 * @node: in mock_hqd.running, .frozen or .waiting
 * @h: the HQD
 * @d: the dispatch
 * @first: index of the first one in the XCC's share of the dispatch
 * @count: how many, next to each other in that share
 * @remains: ns still to run, while not running
 *
 * One event ends all of them, for they started together and last the same.
 */
struct mock_batch {
	struct mock_event ev;
	struct list_head node;
	struct mock_hqd *h;
	struct mock_dispatch *d;
	u32 first;
	u32 count;
	u64 remains;
};

enum mock_hqd_state {
	HQD_OFF,	/* no queue */
	HQD_ON,
	HQD_DRAINING,	/* dequeue requested, no save: waits for its waves */
	HQD_SAVING,	/* waves are stopped and being written to memory */
	HQD_RESETTING,	/* waves are killed */
};

/**
 * struct mock_hqd - a hardware queue descriptor of one XCC
 * @ev: end of a save or a reset, or when a restored queue may run
 * @q: the queue that it and its fellows on the other XCCs make
 * @xcc: index
 * @state: see enum
 * @reg: registers (from MQD_HQD_FIRST) and, before them, the SH registers that
 *	lie in the MQD too
 * @running: batches in wave slots
 * @frozen: batches taken out of them, to be saved
 * @waiting: batches that were restored and have no slots yet
 * @waves: wave slots in use
 * @next: next workgroup of mock_queue.cur to launch, index in the share
 * @share: workgroups of mock_queue.cur for this XCC
 * @ready: not before this time (restore takes its time)
 * @request: what was asked of it (DEQUEUE_*)
 */
struct mock_hqd {
	struct mock_event ev;
	struct mock_queue *q;
	u8 xcc;
	enum mock_hqd_state state;
	u32 reg[MQD_HQD_END];
	struct list_head running;
	struct list_head frozen;
	struct list_head waiting;
	u32 waves;
	u32 next;
	u32 share;
	u64 ready;
	u32 request;
};

/**
 * struct mock_queue - the HQDs in one place of all XCCs of a partition: a user queue
 * @ev: when the next packet may be looked at
 * @node: in mock_part.mapped
 * @part: its partition
 * @pipe: place
 * @queue: place
 * @hqd: of each XCC of the partition, by the XCC's number in the GPU
 * @on: mask of XCCs whose HQD is active
 * @seen: mask of XCCs that were active since the first one was
 * @vmid: VMID, and what it stands for
 * @vm: see @vmid
 * @pasid: see @vmid
 * @hws: mapped by firmware
 * @going: firmware is unmapping it
 * @is_static: the dynamic filter of UNMAP_QUEUES leaves it
 * @rptr: next packet
 * @wptr: end of the packets, as last read from memory
 * @packets: size of the ring
 * @doorbell: dword in the doorbell aperture
 * @cur: the dispatch being launched
 * @dispatches: all that have not ended, @cur is the last one
 * @stalled: waits for memory to change (invalid header, a signal)
 * @error: a packet that cannot be executed stopped the queue
 */
struct mock_queue {
	struct mock_event ev;
	struct list_head node;
	struct mock_part *part;
	u8 pipe;
	u8 queue;
	struct mock_hqd *hqd[MOCK_MAX_XCC];
	u8 on;
	u8 seen;
	u8 vmid;
	struct mock_vm *vm;
	u32 pasid;
	bool hws;
	bool going;
	bool is_static;
	u64 rptr;
	u64 wptr;
	u32 packets;
	u32 doorbell;
	struct mock_dispatch *cur;
	struct list_head dispatches;
	bool stalled;
	bool error;
};

/**
 * struct mock_sdma_queue - a place for a user queue in an SDMA engine
 * @node: in mock_hw.sdma_queues, if there is one
 * @part: its partition
 * @engine: place
 * @queue: place
 * @reg: its registers, from SDMA_RLC0_RB_CNTL
 * @mqd: HWS: address of its MQD
 * @vmid: VMID, and what it stands for
 * @vm: see @vmid
 * @pasid: see @vmid
 * @doorbell: dword in the doorbell aperture
 * @hws: mapped by firmware
 * @waits: for memory to change, or for the rest of a packet
 * @poll: where memory has to change, 0 for the rest of a packet
 * @poll_mask: which bits
 * @poll_val: what they were
 * @error: a packet that cannot be executed stopped the queue
 */
struct mock_sdma_queue {
	struct list_head node;
	struct mock_part *part;
	u8 engine;
	u8 queue;
	u32 *reg;
	u64 mqd;
	u8 vmid;
	struct mock_vm *vm;
	u32 pasid;
	u32 doorbell;
	bool hws;
	bool waits;
	u64 poll;
	u32 poll_mask;
	u32 poll_val;
	bool error;
};

/* An SDMA engine, two for each XCC */
struct mock_sdma_engine {
	struct mock_event ev;	/* when the next packet may be looked at */
	struct mock_sdma_queue queue[MOCK_SDMA_QUEUES];
	u32 turn;		/* the queue that was last looked at */
};

/* What GRBM_GFX_CNTL selects in an XCC, and the registers that it has once. */
struct mock_xcc {
	struct mock_part *part;
	struct mock_hqd hqd[MOCK_HQDS];		/* of ME 1 */
	u32 hiq[MQD_HQD_END];			/* ME 2, pipe 0, queue 0 */
	u32 *regs;
	u32 rlc_schedulers;
	u32 gfx_index;
	u8 me, pipe, queue, vmid;
	u32 slots;				/* wave slots */
	u32 used;
	u32 turn;				/* among equals */
};

struct mock_vmid {
	u64 pd_base;
	u32 pasid;
	bool busy;	/* given out by firmware */
};

/* One HIQ, as seen by the firmware of all XCCs of a partition. */
struct mock_hiq {
	u8 mapped;		/* mask of XCCs */
	u64 mqd[MOCK_MAX_XCC];
	u64 base;
	u32 dwords;
	u64 rptr_addr;
	u64 wptr_addr;
	u32 doorbell;
	u64 rptr;
	u64 wptr;
};

enum mock_fw_state {
	FW_IDLE,
	FW_PACKET,	/* a packet's time runs */
	FW_UNMAP,	/* waits for HQDs to go */
	FW_SLICE,	/* as FW_UNMAP, to rotate */
	FW_SLICE_MAP,	/* the next slice's time runs */
	FW_MAP,		/* the same for a new runlist */
	FW_HUNG,	/* until it is reset */
};

/* The scheduler in the firmware (HWS). */
struct mock_fw {
	struct mock_event ev;		/* end of what it does */
	struct mock_event quantum;	/* end of a slice */
	enum mock_fw_state state;
	u32 packet[32];
	u32 len;
	u32 vmid_mask;
	u64 queue_mask;
	u32 unmap_ms;
	/* the runlist */
	bool valid;
	bool chained;
	u64 ib;
	u32 ib_dwords;
	u32 ib_end;
	u32 processes;			/* at a time */
	u32 pos;			/* where the next slice begins, dwords */
	u32 pos_process;		/* MAP_PROCESS before it */
	u32 quantum_ms;
	u32 skip_pasid;			/* unmapped by PASID */
	bool all;			/* the slice is the whole list */
	bool rotate;			/* the quantum is over */
};

/**
 * struct mock_part - a partition: XCCs that work together
 * @node: in mock_hw.parts
 * @hw: the GPU
 * @xccs: mask of its XCCs
 * @queue: places of its queues
 * @mapped: those that have a queue
 * @vmid: what its XCCs take the VMIDs for
 * @hiq: its HIQ
 * @fw: its scheduler
 *
 * In SPX mode there is one.
 */
struct mock_part {
	struct list_head node;
	struct mock_hw *hw;
	u8 xccs;
	struct mock_queue queue[MOCK_HQDS];
	struct list_head mapped;
	struct mock_vmid vmid[MOCK_VMIDS];
	struct mock_hiq hiq;
	struct mock_fw fw;
};

/* Counters, "stats" in debugfs. Those of a kind are in one place. */
struct mock_stats {
	u64 hiq_packets;
	u64 hiq_nop;
	u64 hiq_set_resources;
	u64 hiq_run_list;
	u64 hiq_map_process;
	u64 hiq_map_queues;
	u64 hiq_unmap_queues;
	u64 hiq_query_status;
	u64 hiq_write_data;
	u64 hiq_map_sdma;
	u64 kiq_packets;
	u64 fence_writes;
	u64 fences_lost;
	u64 fw_hangs;
	u64 rotations;
	u64 queues_mapped;
	u64 queues_unmapped;
	u64 hqd_loads;
	u64 hqd_dequeues;
	u64 preempts_ignored;
	u64 queue_resets;
	u64 gpu_resets;
	u64 saves;
	u64 restores;
	u64 saved_waves;
	u64 restored_waves;
	u64 saved_bytes;
	u64 register_reads;
	u64 register_writes;
	u64 doorbells;
	u64 aql_packets;
	u64 dispatches;
	u64 barriers;
	u64 vendor_packets;
	u64 queue_errors;
	u64 blits;
	u64 unexecuted;
	u64 vm_faults;
	u64 interrupts;
	u64 wg_launched;
	u64 wg_ended;
	u64 wg_killed;
	u64 sdma_packets;
	u64 sdma_bytes;
	u64 sdma_traps;
};

/**
 * struct mock_hw - the GPU
 * @md: its device
 * @lock: over everything here and below; also taken by register accesses, so
 *	under the DQM lock and in MMU notifiers: no allocation that reclaims
 * @thread: the time of the model passes here
 * @fail_nth: fault injection of the task that has the lock, which the model
 *	is spared
 * @make_it_fail: the same
 * @now: how far it has come
 * @skew: real time less time of the model
 * @active: when something was last done
 * @events: what will happen
 * @xcc: its XCCs
 * @part: its partitions, by number
 * @parts: those of them that exist
 * @stats: what is counted for debugfs
 * @saved_wg: workgroups that are in save areas
 * @flags_waited: dispatches whose flag is polled
 * @dirty: XCCs where slots became free or wanted
 * @sdma: registers of the SDMA engines
 * @sdma_engine: the engines
 * @sdma_queues: what is mapped there
 * @atc: registers that map VMIDs to PASIDs
 * @atc_status: register that says which of them have come through
 * @ih: registers of the interrupt handler
 * @kiq_rptr: where each XCC is in its @kiq_ring
 * @kiq_wptr: end of what is in it; written in atomic context
 * @kiq_ring: packets to the KIQ of each XCC
 * @shadow: what was saved, to check what is restored (hw_check.c)
 * @buf: a page to gather records in, one for the stack
 * @reg_base: what adev->reg_offset[] points to
 * @batches: where workgroups in flight come from
 * @dispatches: where dispatches come from
 * @wake: when the thread will wake up
 * @kicked: there is work for it
 */
struct mock_hw {
	struct mock_device *md;
	struct mutex lock; /* the GPU's, see above */
#ifdef CONFIG_FAULT_INJECTION
	unsigned int fail_nth;
	int make_it_fail;
#endif
	struct task_struct *thread;
	u64 now;
	u64 skew;
	u64 active;
	struct timerqueue_head events;
	struct mock_xcc xcc[MOCK_MAX_XCC];
	struct mock_part part[MOCK_MAX_XCC];
	struct list_head parts;
	struct mock_stats stats;
	u64 saved_wg;
	u32 flags_waited;
	u8 dirty;
	u32 *sdma;
	struct mock_sdma_engine sdma_engine[MOCK_SDMAS];
	struct list_head sdma_queues;
	u32 atc[MOCK_VMIDS];
	u32 atc_status;
	u32 ih[0x100];
	u32 kiq_rptr[MOCK_MAX_XCC];
	u32 kiq_wptr[MOCK_MAX_XCC];
	u32 kiq_ring[MOCK_MAX_XCC][64];
	DECLARE_HASHTABLE(shadow, 10);
	u8 *buf;
	u32 *reg_base;
	struct kmem_cache *batches;
	struct kmem_cache *dispatches;
	u64 wake;
	bool kicked;
};

extern unsigned int mock_fw_ns, mock_packet_ns, mock_default_ns;
extern unsigned int mock_save_ns_base, mock_save_ns_wave, mock_restore_ns_wave;
extern unsigned int mock_preempt_us, mock_ignore_preempt, mock_lost_fence;
extern unsigned int mock_giveup_ms, mock_quantum_us;

static inline u64 mock_u64(u32 lo, u32 hi)
{
	return lo | (u64)hi << 32;
}

/* The XCC that speaks for all. */
static inline u32 mock_master(const struct mock_part *part)
{
	return __ffs(part->xccs);
}

static inline struct mock_hqd *mock_first_hqd(const struct mock_queue *q)
{
	return q->hqd[mock_master(q->part)];
}

#define HQD_REG(h, field)	((h)->reg[MQD_DW(field)])
/* two registers next to each other, the low half first */
#define HQD_REG64(h, field)	mock_hqd_u64(h, MQD_DW(field##_lo))

static inline u64 mock_hqd_u64(const struct mock_hqd *h, u32 dw)
{
	return mock_u64(h->reg[dw], h->reg[dw + 1]);
}

/* hw.c */
void mock_event_arm(struct mock_hw *hw, struct mock_event *ev, u64 when,
		    mock_event_fn fn);
void mock_event_cancel(struct mock_hw *hw, struct mock_event *ev);
void mock_hw_catch_up(struct mock_hw *hw);
void mock_hw_kick(struct mock_hw *hw);
void mock_hw_begin(struct mock_hw *hw);
void mock_hw_lock(struct mock_hw *hw);
void mock_hw_unlock(struct mock_hw *hw);

/* hw_regs.c */
int mock_regs_init(struct mock_hw *hw);
void mock_regs_fini(struct mock_hw *hw);

/* hw_fw.c */
void mock_fw_init(struct mock_part *part);
void mock_fw_poll(struct mock_part *part);
void mock_fw_hqd_off(struct mock_part *part);
void mock_fw_reset(struct mock_part *part);
void mock_kiq_drain(struct mock_hw *hw);

/* hw_aql.c */
void mock_queue_up(struct mock_hw *hw, struct mock_queue *q, u8 xcc);
void mock_queue_down(struct mock_hw *hw, struct mock_queue *q, u8 xcc);
void mock_queue_read_wptr(struct mock_hw *hw, struct mock_queue *q);
void mock_queue_poll(struct mock_hw *hw, struct mock_queue *q);
void mock_queue_advance(struct mock_hw *hw, struct mock_queue *q);
void mock_flags_poll(struct mock_hw *hw);
void mock_place(struct mock_hw *hw);
struct mock_batch *mock_batch_new(struct mock_hqd *h, struct mock_dispatch *d,
				  u32 first, u32 count, u64 remains);
void mock_batch_free(struct mock_hw *hw, struct mock_batch *b);
void mock_freeze(struct mock_hw *hw, struct mock_hqd *h);
u32 mock_kill(struct mock_hw *hw, struct mock_hqd *h);
struct mock_dispatch *mock_dispatch_get(struct mock_hw *hw,
					struct mock_queue *q, u64 id,
					const void *packet, u64 start);
void mock_dispatch_drop(struct mock_hw *hw, struct mock_dispatch *d);
void mock_dispatch_release(struct mock_hw *hw, struct mock_dispatch *d);
bool mock_dispatch_ended(const struct mock_dispatch *d);
void mock_dispatch_check(struct mock_hw *hw, struct mock_dispatch *d);
u32 mock_share(struct mock_hqd *h, u32 total);
u32 mock_share_to_group(struct mock_hqd *h, u32 index);
bool mock_group_to_share(struct mock_hqd *h, u32 group, u32 *index);
void mock_vm_fault(struct mock_hw *hw, struct mock_queue *q, u64 va, bool write,
		   const char *what);

/* hw_blit.c */
void mock_blit_know(struct mock_hw *hw, struct mock_dispatch *d, u64 code, u64 kernarg);
u64 mock_blit_part(const struct mock_dispatch *d);
void mock_blit_effect(struct mock_hw *hw, struct mock_dispatch *d, u32 group);

/* hw_sdma.c */
struct pm4_mes_map_queues;
void mock_sdma_init(struct mock_hw *hw);
u32 mock_sdma_read(struct mock_hw *hw, u32 reg);
void mock_sdma_write(struct mock_hw *hw, u32 reg, u32 val);
bool mock_sdma_map(struct mock_part *part, const struct pm4_mes_map_queues *p, u32 vmid);
void mock_sdma_unmap(struct mock_hw *hw, struct mock_sdma_queue *q);
void mock_sdma_drop(struct mock_sdma_queue *q);
void mock_sdma_poll(struct mock_hw *hw);
void mock_sdma_show(struct seq_file *m, struct mock_hw *hw);

/* hw_cwsr.c */
bool mock_hqd_load(struct mock_hw *hw, struct mock_hqd *h);
bool mock_hqd_has_cwsr(struct mock_hqd *h);
void mock_hqd_dequeue(struct mock_hw *hw, struct mock_hqd *h, u32 type, u64 from);
u64 mock_hqd_save_ns(struct mock_hqd *h);
void mock_hqd_drained(struct mock_hw *hw, struct mock_hqd *h);
void mock_hqd_refresh(struct mock_hqd *h);
void mock_hqd_drop(struct mock_hw *hw, struct mock_hqd *h);
void mock_hqd_reset(struct mock_hw *hw, struct mock_hqd *h);

enum { DEQUEUE_DRAIN = 1, DEQUEUE_RESET = 2, DEQUEUE_SAVE = 3 };

/* hw_check.c */
void mock_check_map(struct mock_hw *hw, struct mock_hqd *h);
void mock_check_restored(struct mock_hw *hw, struct mock_hqd *h, u32 groups,
			 u64 sum);
u64 mock_in_flight(struct mock_hw *hw);
void mock_check_saved(struct mock_hw *hw, struct mock_hqd *h, u32 groups,
		      u64 sum);
void mock_check_gart_gone(struct mock_hw *hw, u64 va, size_t len);
void mock_check_counts(struct mock_hw *hw, const char *when);
void mock_check_fini(struct mock_hw *hw);
void mock_check_scrub(struct mock_hw *hw);

#endif
