// SPDX-License-Identifier: GPL-2.0
/*
 * The hardware side of the mock GPU: time, and what debugfs shows.
 *
 * A model of an MI300 (GC 9.4.3) as far as amdkfd can tell, event by event.
 * The kernel thread lets the time of the model pass: it handles what happens in
 * order and at its own time, up to the present, so results do not depend on
 * when the thread got to run. Register accesses do the same first. Where the
 * machine is too slow for that, the time of the model falls behind real time.
 *
 * What is modelled, and from where it is known:
 * - registers that amdkfd uses, per XCC, pipe and queue: hw_regs.c, under the
 *   real amdgpu_amdkfd_gc_9_4_3.c and amdgpu_amdkfd_gfx_v9.c;
 * - partitions, each with HIQ, scheduler, VMIDs and queues of its own; doorbells,
 *   memory and ATHUB are the GPU's (kgd2kfd_device_init());
 * - the scheduler in MEC firmware (HWS) as far as the packets of
 *   kfd_pm4_headers_ai.h and kfd_pm4_headers_aldebaran.h tell: hw_fw.c;
 * - AQL queues (HSA system architecture, amd_hsa_queue.h, amd_hsa_signal.h),
 *   workgroups in wave slots of an XCC, completion signals and interrupts:
 *   hw_aql.c;
 * - saving and restoring waves (CWSR) through MQD, control stack and save area
 *   of each XCC (v9_structs.h, kfd_mqd_manager_v9.c): hw_cwsr.c;
 * - SDMA engines, their user queues and linear packets: hw_sdma.c;
 * - what must hold at all times: hw_check.c.
 *
 * What is not:
 * - the ISA: a dispatch is known by its code (gfx942_kernels.h, and ROCR's own
 *   kernels: hw_blit.c); any other takes mock_default_ns for each workgroup, has no
 *   effect, completes, and is counted as "unexecuted";
 * - the trap handler: a saved workgroup is a record of our own layout, 128
 *   bytes, not registers and LDS; a control stack entry is 8 bytes for a wave
 *   as on hardware, its content is ours; the AQL packet of a dispatch that is
 *   being launched is kept in COMPUTE_USER_DATA_0..15;
 * - firmware's and hardware's real timing: parameters below, guesses;
 * - CU masks, LDS, registers and scratch as limits of occupancy: a workgroup
 *   needs a wave slot for each 64 work-items and nothing else. Of two queues,
 *   the one of lower priority never goes first while the other one waits for
 *   room;
 * - page tables and TLBs: the host side translates;
 * - PM4 compute queues execute nothing; PM4 IBs in vendor AQL packets complete
 *   without effect;
 * - firmware rotates an oversubscribed runlist when the quantum ends, idle or
 *   not; the quantum of MAP_PROCESS is taken as ms;
 * - DRAIN lets what was launched of a dispatch end, on each XCC with its whole
 *   share, and starts no new packet;
 * - the read pointer in MQD and HQD counts dwords of all packets so far, 32
 *   bits, not modulo the ring: a ring may change its size while the queue is
 *   unmapped;
 * - a VM fault is reported as a violation and has no interrupt; the access has
 *   no effect;
 * - GWS, GDS, debugger, RAS, power.
 *
 * debugfs, next to the files of the host side:
 * stats	counters, and what is under way ("wg_in_flight", "wg_saved")
 * queues	what is mapped where
 * reset_stats	write anything: counters to zero
 * Faults to test with are module parameters, below, and can be set at any time.
 */

#include <linux/debugfs.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <uapi/linux/sched/types.h>
#include "hw.h"

static unsigned int mock_poll_us = 50;
module_param(mock_poll_us, uint, 0644);
MODULE_PARM_DESC(mock_poll_us, "Doorbells and flags are looked at every so many us (default 50)");

static unsigned int mock_idle_poll_us = 200;
module_param(mock_idle_poll_us, uint, 0644);
MODULE_PARM_DESC(mock_idle_poll_us, "The same, when nothing was done for 20 ms (default 200)");

unsigned int mock_fw_ns = 2000;
module_param(mock_fw_ns, uint, 0644);
MODULE_PARM_DESC(mock_fw_ns, "ns of firmware for a packet of the HIQ or a runlist (default 2000)");

unsigned int mock_packet_ns = 1000;
module_param(mock_packet_ns, uint, 0644);
MODULE_PARM_DESC(mock_packet_ns, "ns for an AQL packet (default 1000)");

unsigned int mock_default_ns = 10000;
module_param(mock_default_ns, uint, 0644);
MODULE_PARM_DESC(mock_default_ns, "ns of a workgroup whose code is not known (default 10000)");

unsigned int mock_save_ns_base = 20000;
module_param(mock_save_ns_base, uint, 0644);
MODULE_PARM_DESC(mock_save_ns_base, "ns to take a queue off an XCC (default 20000)");

unsigned int mock_save_ns_wave = 150;
module_param(mock_save_ns_wave, uint, 0644);
MODULE_PARM_DESC(mock_save_ns_wave, "ns more for each wave that is saved (default 150)");

unsigned int mock_restore_ns_wave = 150;
module_param(mock_restore_ns_wave, uint, 0644);
MODULE_PARM_DESC(mock_restore_ns_wave, "ns for each wave that is restored (default 150)");

unsigned int mock_preempt_us;
module_param(mock_preempt_us, uint, 0644);
MODULE_PARM_DESC(mock_preempt_us, "Fault: taking a queue off lasts so much longer (us)");

unsigned int mock_ignore_preempt;
module_param(mock_ignore_preempt, uint, 0644);
MODULE_PARM_DESC(mock_ignore_preempt,
		 "Fault: the queue with this doorbell (dword in the aperture; 4294967295: all) ignores preemption");

unsigned int mock_lost_fence;
module_param(mock_lost_fence, uint, 0644);
MODULE_PARM_DESC(mock_lost_fence, "Fault: so many next fences of QUERY_STATUS are not written");

unsigned int mock_giveup_ms;
module_param(mock_giveup_ms, uint, 0644);
MODULE_PARM_DESC(mock_giveup_ms,
		 "ms until firmware gives up an unmap (0: as SET_RESOURCES says)");

unsigned int mock_quantum_us;
module_param(mock_quantum_us, uint, 0644);
MODULE_PARM_DESC(mock_quantum_us,
		 "us of a slice of an oversubscribed runlist (0: as MAP_PROCESS says)");

/* Longer than this at a stretch is too slow: the time of the model slips. */
#define MOCK_BUDGET_NS	(8 * NSEC_PER_MSEC)
/* A thread that needs so long for one look is on a slow machine. */
#define MOCK_SLOW_NS	(500 * NSEC_PER_USEC)
#define MOCK_DEBT_NS	(2 * NSEC_PER_MSEC)
/* Without work for so long, poll less often. */
#define MOCK_IDLE_NS	(20 * NSEC_PER_MSEC)
/* Nothing but the HIQ is mapped, and it is quiet: be no burden. */
#define MOCK_IDLE_HIQ_US	1000U

void mock_event_cancel(struct mock_hw *hw, struct mock_event *ev)
{
	if (!ev->armed)
		return;
	timerqueue_del(&hw->events, &ev->node);
	ev->armed = false;
}

void mock_event_arm(struct mock_hw *hw, struct mock_event *ev, u64 when,
		    mock_event_fn fn)
{
	mock_event_cancel(hw, ev);
	timerqueue_init(&ev->node);
	ev->node.expires = max(when, hw->now);
	ev->fn = fn;
	ev->armed = true;
	timerqueue_add(&hw->events, &ev->node);
}

static u64 mock_present(struct mock_hw *hw)
{
	return ktime_get_ns() - READ_ONCE(hw->skew);
}

/**
 * mock_hw_catch_up - let everything happen that is due
 * @hw: the GPU; its lock is held
 */
void mock_hw_catch_up(struct mock_hw *hw)
{
	u64 start = ktime_get_ns(), present = mock_present(hw);
	struct timerqueue_node *node;
	struct mock_event *ev;
	unsigned int n = 0;

	mock_kiq_drain(hw);
	for (;;) {
		if (hw->dirty)
			mock_place(hw);
		node = timerqueue_getnext(&hw->events);
		if (!node || node->expires > present)
			break;
		ev = container_of(node, struct mock_event, node);
		mock_event_cancel(hw, ev);
		hw->now = max_t(u64, hw->now, node->expires);
		hw->active = hw->now;
		ev->fn(hw, ev);
		if (++n % 8 || ktime_get_ns() - start < MOCK_BUDGET_NS)
			continue;
		if (present > hw->now)
			WRITE_ONCE(hw->skew, hw->skew + present - hw->now);
		return;
	}
	hw->now = max(hw->now, present);
}

/**
 * mock_hw_kick - let the thread look at once
 * @hw: the GPU
 *
 * Context: any.
 */
void mock_hw_kick(struct mock_hw *hw)
{
	WRITE_ONCE(hw->kicked, true);
	wake_up_process(hw->thread);
}

static bool mock_any_queue(struct mock_hw *hw)
{
	struct mock_part *part;

	list_for_each_entry(part, &hw->parts, node)
		if (!list_empty(&part->mapped))
			return true;
	return !list_empty(&hw->sdma_queues);
}

static bool mock_any_hiq(struct mock_hw *hw)
{
	struct mock_part *part;

	list_for_each_entry(part, &hw->parts, node)
		if (part->hiq.mapped)
			return true;
	return false;
}

/* Look at what the CPU may have written. Returns when to look again, or 0. */
static u64 mock_hw_poll(struct mock_hw *hw)
{
	u64 idle = hw->now - hw->active, us;
	struct mock_queue *q, *tmp;
	struct mock_part *part;

	list_for_each_entry(part, &hw->parts, node) {
		mock_fw_poll(part);
		list_for_each_entry_safe(q, tmp, &part->mapped, node)
			mock_queue_poll(hw, q);
	}
	mock_sdma_poll(hw);
	if (hw->flags_waited)
		mock_flags_poll(hw);
	mock_hw_catch_up(hw);

	if (!mock_any_queue(hw)) {
		if (!mock_any_hiq(hw))
			return 0;
		us = idle < MOCK_IDLE_NS ? mock_poll_us :
			max(mock_idle_poll_us, MOCK_IDLE_HIQ_US);
	} else {
		us = idle < MOCK_IDLE_NS || hw->flags_waited ? mock_poll_us :
			mock_idle_poll_us;
	}
	return hw->now + max_t(u64, us, 1) * NSEC_PER_USEC;
}

/*
 * How long to be quiet after @slept ns of sleep, of which @late ns were too much,
 * and @busy ns of work: where timers and work take long (KASAN, lockdep, an
 * emulated CPU that others want too), a real-time thread must leave most of the
 * time to others. What it owes them it may owe for a while: a look alone that had
 * much to do, as when many waves are saved, is no reason to stand still.
 */
static u64 mock_hw_pause(u64 slept, u64 late, u64 busy, u64 *debt)
{
	u64 pause;

	*debt -= min(*debt, slept);
	if (late + busy >= MOCK_SLOW_NS)
		*debt += 2 * late + busy / 2;
	if (*debt < MOCK_DEBT_NS)
		return 0;
	pause = min_t(u64, *debt, 20 * NSEC_PER_MSEC);
	*debt = 0;
	return pause;
}

static int mock_hw_thread(void *data)
{
	u64 begin, end = ktime_get_ns(), until = 0, late = 0, debt = 0, next;
	struct mock_hw *hw = data;
	struct timerqueue_node *node;
	ktime_t expires;

	while (!kthread_should_stop()) {
		begin = ktime_get_ns();
		WRITE_ONCE(hw->kicked, false);
		mutex_lock(&hw->lock);
		mock_hw_catch_up(hw);
		next = mock_hw_poll(hw) ?: KTIME_MAX;
		node = timerqueue_getnext(&hw->events);
		if (node)
			next = min_t(u64, next, node->expires);
		hw->wake = next;
		until = next == KTIME_MAX ? KTIME_MAX : next + hw->skew;
		mutex_unlock(&hw->lock);

		next = begin - end;
		end = ktime_get_ns();
		next = end + mock_hw_pause(next, late, end - begin, &debt);
		until = max(until, next);
		late = 0;
		set_current_state(TASK_INTERRUPTIBLE);
		if (!READ_ONCE(hw->kicked) && !kthread_should_stop()) {
			expires = until;
			if (!schedule_hrtimeout(&expires, HRTIMER_MODE_ABS))
				late = ktime_get_ns() - until;
		}
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

/*
 * Hardware does not run short of memory because a task is to. The time of the
 * model may pass in any task.
 */
static void suspend_faults(struct mock_hw *hw)
{
#ifdef CONFIG_FAULT_INJECTION
	hw->fail_nth = current->fail_nth;
	hw->make_it_fail = current->make_it_fail;
	current->fail_nth = 0;
	current->make_it_fail = 0;
#endif
}

static void resume_faults(struct mock_hw *hw)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = hw->fail_nth;
	current->make_it_fail = hw->make_it_fail;
#endif
}

/* What mock_hw_lock() does once it has the lock */
void mock_hw_begin(struct mock_hw *hw)
{
	suspend_faults(hw);
	mock_hw_catch_up(hw);
}

void mock_hw_lock(struct mock_hw *hw)
{
	mutex_lock(&hw->lock);
	mock_hw_begin(hw);
}

void mock_hw_unlock(struct mock_hw *hw)
{
	struct timerqueue_node *node;
	bool kick;

	if (hw->dirty)
		mock_place(hw);
	node = timerqueue_getnext(&hw->events);
	kick = (node && node->expires < hw->wake) ||
	       (hw->wake == KTIME_MAX && mock_any_queue(hw));
	if (kick)
		hw->wake = hw->now;
	resume_faults(hw);
	mutex_unlock(&hw->lock);
	if (kick)
		mock_hw_kick(hw);
}

u64 mock_hw_clock(struct mock_device *md)
{
	/* asked for before and after its time, too */
	return div_u64(md->hw ? mock_present(md->hw) : ktime_get_ns(), 10);
}

/* in the order of struct mock_stats */
static const char * const stat_names[] = {
	"hiq_packets",
	"hiq_nop",
	"hiq_set_resources",
	"hiq_run_list",
	"hiq_map_process",
	"hiq_map_queues",
	"hiq_unmap_queues",
	"hiq_query_status",
	"hiq_write_data",
	"hiq_map_sdma",
	"kiq_packets",
	"fence_writes",
	"fences_lost",
	"fw_hangs",
	"rotations",
	"queues_mapped",
	"queues_unmapped",
	"hqd_loads",
	"hqd_dequeues",
	"preempts_ignored",
	"queue_resets",
	"gpu_resets",
	"saves",
	"restores",
	"saved_waves",
	"restored_waves",
	"saved_bytes",
	"register_reads",
	"register_writes",
	"doorbells",
	"aql_packets",
	"dispatches",
	"barriers",
	"vendor_packets",
	"queue_errors",
	"blits",
	"unexecuted",
	"vm_faults",
	"interrupts",
	"wg_launched",
	"wg_ended",
	"wg_killed",
	"sdma_packets",
	"sdma_bytes",
	"sdma_traps",
};

static_assert(sizeof(struct mock_stats) == ARRAY_SIZE(stat_names) * sizeof(u64));

static int stats_show(struct seq_file *m, void *unused)
{
	struct mock_hw *hw = m->private;
	u32 i, x, waves = 0;

	mock_hw_lock(hw);
	mock_check_counts(hw, "stats");
	for (x = 0; x < hw->md->num_xcc; x++)
		waves += hw->xcc[x].used;
	for (i = 0; i < ARRAY_SIZE(stat_names); i++)
		seq_printf(m, "%s %llu\n", stat_names[i], ((u64 *)&hw->stats)[i]);
	seq_printf(m, "wg_in_flight %llu\n", mock_in_flight(hw));
	seq_printf(m, "wg_saved %llu\n", hw->saved_wg);
	seq_printf(m, "waves_in_flight %u\n", waves);
	seq_printf(m, "slipped_us %llu\n", div_u64(hw->skew, NSEC_PER_USEC));
	seq_printf(m, "violations %d\n", atomic_read(&hw->md->violations));
	mock_hw_unlock(hw);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static void queue_show(struct seq_file *m, struct mock_queue *q)
{
	static const char * const state[] = {
		"off", "on", "draining", "saving", "resetting"
	};
	struct mock_hqd *h = q->hqd[__ffs(q->on)];
	u32 x;

	seq_printf(m, "pipe %u queue %u vmid %u pasid %u doorbell %x priority %u rptr %llu wptr %llu%s%s%s\n",
		   q->pipe, q->queue, q->vmid, q->pasid, q->doorbell,
		   HQD_REG(h, cp_hqd_queue_priority), q->rptr, q->wptr,
		   q->hws ? "" : " nohws", q->stalled ? " stalled" : "",
		   q->error ? " error" : "");
	for_each_inst(x, q->part->xccs) {
		h = q->hqd[x];
		seq_printf(m, "  xcc %u %s mqd %llx waves %u launched %u of %u%s\n",
			   x, state[h->state],
			   HQD_REG64(h, cp_mqd_base_addr), h->waves,
			   h->next, h->share,
			   list_empty(&h->waiting) ? "" : " restoring");
	}
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct mock_hw *hw = m->private;
	struct mock_part *part;
	struct mock_queue *q;

	mock_hw_lock(hw);
	list_for_each_entry(part, &hw->parts, node)
		list_for_each_entry(q, &part->mapped, node)
			queue_show(m, q);
	mock_sdma_show(m, hw);
	mock_hw_unlock(hw);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static ssize_t reset_stats_write(struct file *file, const char __user *buf,
				 size_t len, loff_t *pos)
{
	struct mock_hw *hw = file->private_data;

	mock_hw_lock(hw);
	memset(&hw->stats, 0, sizeof(hw->stats));
	/* what is under way stays accounted for */
	hw->stats.wg_launched = mock_in_flight(hw) + hw->saved_wg;
	mock_hw_unlock(hw);
	return len;
}

static const struct file_operations reset_stats_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = reset_stats_write,
};

static ssize_t scrub_write(struct file *file, const char __user *buf,
			   size_t len, loff_t *pos)
{
	struct mock_hw *hw = file->private_data;

	mock_hw_lock(hw);
	mock_check_scrub(hw);
	mock_hw_unlock(hw);
	return len;
}

static const struct file_operations scrub_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = scrub_write,
};

static void mock_part_init(struct mock_hw *hw, u32 index)
{
	u32 n = hw->md->num_xcc / hw->md->num_parts;
	struct mock_part *part = &hw->part[index];
	struct mock_queue *q;
	struct mock_hqd *h;
	u32 i, x;

	part->hw = hw;
	list_add_tail(&part->node, &hw->parts);
	part->xccs = ((1 << n) - 1) << index * n;
	INIT_LIST_HEAD(&part->mapped);
	for (i = 0; i < MOCK_HQDS; i++) {
		q = &part->queue[i];
		q->part = part;
		q->pipe = i / MOCK_QUEUES;
		q->queue = i % MOCK_QUEUES;
		INIT_LIST_HEAD(&q->node);
		INIT_LIST_HEAD(&q->dispatches);
		for_each_inst(x, part->xccs) {
			h = &hw->xcc[x].hqd[i];
			q->hqd[x] = h;
			h->q = q;
			h->xcc = x;
			INIT_LIST_HEAD(&h->running);
			INIT_LIST_HEAD(&h->frozen);
			INIT_LIST_HEAD(&h->waiting);
		}
	}
	for_each_inst(x, part->xccs) {
		hw->xcc[x].part = part;
		hw->xcc[x].slots = hw->md->cu_per_xcc * hw->md->waves_per_cu;
	}
	mock_fw_init(part);
}

int mock_hw_init(struct mock_device *md)
{
	struct mock_hw *hw;
	int r = -ENOMEM;
	u32 i;

	if (!md->num_xcc || md->num_xcc > MOCK_MAX_XCC || !md->num_parts ||
	    md->num_xcc % md->num_parts)
		return -EINVAL;
	hw = kvzalloc(sizeof(*hw), GFP_KERNEL);
	if (!hw)
		return -ENOMEM;
	hw->md = md;
	mutex_init(&hw->lock);
	timerqueue_init_head(&hw->events);
	hash_init(hw->shadow);
	hw->now = ktime_get_ns();
	hw->wake = KTIME_MAX;
	INIT_LIST_HEAD(&hw->parts);
	INIT_LIST_HEAD(&hw->sdma_queues);
	for (i = 0; i < md->num_parts; i++)
		mock_part_init(hw, i);
	hw->buf = kmalloc(2 * PAGE_SIZE, GFP_KERNEL);
	hw->batches = KMEM_CACHE(mock_batch, 0);
	hw->dispatches = KMEM_CACHE(mock_dispatch, 0);
	if (!hw->buf || !hw->batches || !hw->dispatches)
		goto err;
	r = mock_regs_init(hw);
	if (r)
		goto err;
	mock_sdma_init(hw);
	hw->thread = kthread_create(mock_hw_thread, hw, "mock_gpu");
	if (IS_ERR(hw->thread)) {
		r = PTR_ERR(hw->thread);
		goto err_regs;
	}
	/* hardware does not wait for the CPU's other work */
	sched_set_fifo(hw->thread);
	md->hw = hw;
	debugfs_create_file("stats", 0444, md->debugfs, hw, &stats_fops);
	debugfs_create_file("queues", 0444, md->debugfs, hw, &queues_fops);
	debugfs_create_file("reset_stats", 0200, md->debugfs, hw, &reset_stats_fops);
	debugfs_create_file("scrub", 0200, md->debugfs, hw, &scrub_fops);
	wake_up_process(hw->thread);
	return 0;

err_regs:
	mock_regs_fini(hw);
err:
	kmem_cache_destroy(hw->dispatches);
	kmem_cache_destroy(hw->batches);
	kfree(hw->buf);
	kvfree(hw);
	return r;
}

static void mock_queue_drop(struct mock_hw *hw, struct mock_queue *q)
{
	u32 x;

	for_each_inst(x, q->part->xccs)
		if (q->hqd[x]->state != HQD_OFF)
			mock_hqd_drop(hw, q->hqd[x]);
}

static void mock_part_drop(struct mock_part *part)
{
	struct mock_sdma_queue *s, *next;
	struct mock_queue *q, *tmp;

	mock_fw_reset(part);
	list_for_each_entry_safe(q, tmp, &part->mapped, node)
		mock_queue_drop(part->hw, q);
	list_for_each_entry_safe(s, next, &part->hw->sdma_queues, node)
		if (s->part == part)
			mock_sdma_drop(s);
	part->hiq.mapped = 0;
}

/* The debugfs files must be gone: the host side removes the directory first. */
void mock_hw_fini(struct mock_device *md)
{
	struct mock_hw *hw = md->hw;
	struct mock_part *part;

	if (!hw)
		return;
	kthread_stop(hw->thread);
	mutex_lock(&hw->lock);
	if (mock_any_queue(hw))
		mock_violation(md, "queues are mapped when the device goes");
	list_for_each_entry(part, &hw->parts, node)
		mock_part_drop(part);
	mock_check_counts(hw, "fini");
	mock_check_fini(hw);
	mutex_unlock(&hw->lock);
	mock_regs_fini(hw);
	kmem_cache_destroy(hw->dispatches);
	kmem_cache_destroy(hw->batches);
	kfree(hw->buf);
	md->hw = NULL;
	kvfree(hw);
}

void mock_hw_sync(struct mock_device *md)
{
	if (!md->hw)
		return;
	mutex_lock(&md->hw->lock);
	mutex_unlock(&md->hw->lock);
}

void mock_hw_reset(struct mock_device *md)
{
	struct mock_hw *hw = md->hw;
	struct mock_part *part;

	mock_hw_lock(hw);
	hw->stats.gpu_resets++;
	list_for_each_entry(part, &hw->parts, node) {
		mock_part_drop(part);
		memset(part->vmid, 0, sizeof(part->vmid));
	}
	mock_check_counts(hw, "reset");
	mock_hw_unlock(hw);
}

void mock_hw_vm_gone(struct mock_device *md, struct mock_vm *vm)
{
	struct mock_hw *hw = md->hw;
	struct mock_sdma_queue *s, *next;
	struct mock_queue *q, *tmp;
	struct mock_part *part;

	if (!hw)
		return;
	mock_hw_lock(hw);
	list_for_each_entry_safe(s, next, &hw->sdma_queues, node) {
		if (s->vm != vm)
			continue;
		mock_violation(md, "address space of pasid %u freed, SDMA doorbell %x is mapped",
			       s->pasid, s->doorbell);
		mock_sdma_drop(s);
	}
	list_for_each_entry(part, &hw->parts, node) {
		list_for_each_entry_safe(q, tmp, &part->mapped, node) {
			if (q->vm != vm)
				continue;
			mock_violation(md, "address space of pasid %u freed, doorbell %x is mapped",
				       q->pasid, q->doorbell);
			mock_queue_drop(hw, q);
		}
	}
	mock_hw_unlock(hw);
}

static void mock_part_gart_gone(struct mock_part *part, u64 va, size_t len)
{
	struct mock_device *md = part->hw->md;
	struct mock_queue *q, *tmp;
	struct mock_hqd *h;
	u64 mqd;
	u32 x;

	list_for_each_entry_safe(q, tmp, &part->mapped, node) {
		for_each_inst(x, part->xccs) {
			h = q->hqd[x];
			mqd = HQD_REG64(h, cp_mqd_base_addr);
			if (h->state == HQD_OFF || mqd < va || mqd - va >= len)
				continue;
			mock_violation(md,
				       "MQD %llx of pasid %u doorbell %x xcc %u freed while mapped",
				       mqd, q->pasid, q->doorbell, x);
			mock_hqd_drop(part->hw, h);
		}
	}
	if (part->hiq.mapped && part->hiq.base >= va && part->hiq.base - va < len) {
		mock_violation(md, "ring of the HIQ freed, the HIQ is mapped");
		part->hiq.mapped = 0;
	}
}

void mock_hw_gart_gone(struct mock_device *md, u64 va, size_t len)
{
	struct mock_sdma_queue *s, *next;
	struct mock_hw *hw = md->hw;
	struct mock_part *part;

	if (!hw)
		return;
	mock_hw_lock(hw);
	list_for_each_entry_safe(s, next, &hw->sdma_queues, node) {
		if (!s->hws || s->mqd < va || s->mqd - va >= len)
			continue;
		mock_violation(md, "MQD %llx of pasid %u SDMA doorbell %x freed while mapped",
			       s->mqd, s->pasid, s->doorbell);
		mock_sdma_drop(s);
	}
	list_for_each_entry(part, &hw->parts, node)
		mock_part_gart_gone(part, va, len);
	mock_check_gart_gone(hw, va, len);
	mock_hw_unlock(hw);
}
