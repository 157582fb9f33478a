// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What GPREEMPT shows in debugfs: /sys/kernel/debug/kfd/gpreempt/<gpu_id>/
 *
 * queues	a line for each compute queue, see show_queue()
 * stats	counters
 * save_ns	how long it took to take queues off, a histogram
 * wait_ns	how long they were off until they were put back, a histogram
 *
 * A line of a histogram has a power of two and the number of times that were
 * below it, but not below the half of it. Below 1 ns: no hardware was needed.
 */

#include <linux/debugfs.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"

/* amdgpu removes amdkfd's directory before the devices, hence NULL after that */
static struct dentry *root;
static DEFINE_MUTEX(root_lock);

/* The words of the tracepoints */
static const char *reason_name(enum kfd_gpreempt_reason reason)
{
	static const char * const name[] = {
		[KFD_GPREEMPT_REASON_NONE]	= "-",
		[KFD_GPREEMPT_REASON_HIGHER]	= "higher",
		[KFD_GPREEMPT_REASON_SLICE]	= "slice",
		[KFD_GPREEMPT_REASON_TURN]	= "turn",
		[KFD_GPREEMPT_REASON_SAVE]	= "save",
		[KFD_GPREEMPT_REASON_DRAIN]	= "drain",
		[KFD_GPREEMPT_REASON_HOLDOFF]	= "holdoff",
		[KFD_GPREEMPT_REASON_STARVED]	= "starved",
		[KFD_GPREEMPT_REASON_RESUME]	= "resume",
		[KFD_GPREEMPT_REASON_CLOSE]	= "close",
		[KFD_GPREEMPT_REASON_OFF]	= "off",
		[KFD_GPREEMPT_REASON_REPAIR]	= "repair",
	};

	return name[reason];
}

static const char *state_name(const struct queue *q)
{
	static const char * const name[] = {
		[KFD_GPREEMPT_STATE_ACTIVE]	= "ACTIVE",
		[KFD_GPREEMPT_STATE_PREEMPTING]	= "PREEMPTING",
		[KFD_GPREEMPT_STATE_PREEMPTED]	= "PREEMPTED",
		[KFD_GPREEMPT_STATE_RESUMING]	= "RESUMING",
	};

	return name[q->gpreempt.state];
}

static const char *holder_name(const struct queue *q)
{
	switch (q->gpreempt.holders) {
	case 0:
		return "-";
	case KFD_GPREEMPT_HOLD_IOCTL:
		return "ioctl";
	case KFD_GPREEMPT_HOLD_MONITOR:
		return "monitor";
	case KFD_GPREEMPT_HOLD_IOCTL | KFD_GPREEMPT_HOLD_MONITOR:
		return "ioctl+monitor";
	default:
		return "nobody";
	}
}

/* What keeps a queue off, besides preemption */
static const char *inactive_name(const struct queue *q)
{
	const struct queue_properties *p = &q->properties;

	if (p->is_active)
		return "-";
	if (p->is_evicted)
		return "evicted";
	if (p->is_suspended)
		return "suspended";
	if (!p->queue_size || !p->queue_address || !p->queue_percent)
		return "disabled";

	return QUEUE_IS_PREEMPTED(*p) ? "-" : "reset";
}

static void show_seen(struct seq_file *m, u32 value)
{
	if (value == KFD_GPREEMPT_UNKNOWN)
		seq_printf(m, " %7s", "-");
	else
		seq_printf(m, " %7u", value);
}

static void show_queue(struct seq_file *m, const struct kfd_gpreempt *gp,
		       const struct queue *q, u64 now_ns)
{
	u64 limit_ms = READ_ONCE(gp->params.val[KFD_GPREEMPT_STARVATION_MS]);
	const struct kfd_gpreempt_queue *gq = &q->gpreempt;
	struct task_struct *task = q->process->lead_thread;
	bool off = q->properties.is_preempted;
	u64 ms = div_u64(now_ns - gq->since_ns, NSEC_PER_MSEC);
	char comm[TASK_COMM_LEN];

	/* Without the monitor nothing but the priority counts */
	seq_printf(m, "%7d %5u %4u %5u %6d %-10s %-13s %-7s %-9s", task->pid,
		   q->properties.queue_id, q->properties.priority,
		   READ_ONCE(gp->enabled) ? gq->level : q->properties.priority,
		   q->properties.is_active, state_name(q), holder_name(q),
		   off ? reason_name(gq->reason) : "-",
		   inactive_name(q));
	show_seen(m, gq->pending);
	show_seen(m, gq->waves);
	seq_printf(m, " %7llu", gq->preemptions);
	if (gq->since_ns)
		seq_printf(m, " %8llu", ms);
	else
		seq_printf(m, " %8s", "-");
	seq_printf(m, " %-4s ", off && ms > limit_ms / 2 ? "LONG" : "-");

	get_task_comm(comm, task);
	seq_escape_str(m, comm, ESCAPE_SPACE | ESCAPE_SPECIAL, "\n\\");
	seq_putc(m, '\n');
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct device_queue_manager *dqm = m->private;
	struct device_process_node *cur;
	struct queue *q;
	u64 now_ns;

	seq_printf(m, "%7s %5s %4s %5s %6s %-10s %-13s %-7s %-9s %7s %7s %7s %8s %-4s %s\n",
		   "pid", "queue", "prio", "level", "active", "state", "holder",
		   "reason", "inactive", "pending", "waves", "times", "since_ms",
		   "wait", "comm");

	dqm_lock(dqm);
	now_ns = ktime_get_ns();
	list_for_each_entry(cur, &dqm->queues, list)
		list_for_each_entry(q, &cur->qpd->queues_list, list)
			if (q->properties.type == KFD_QUEUE_TYPE_COMPUTE)
				show_queue(m, &dqm->gpreempt, q, now_ns);
	dqm_unlock(dqm);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static int stats_show(struct seq_file *m, void *unused)
{
	struct device_queue_manager *dqm = m->private;
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	u64 preemptions, resumes;

	dqm_lock(dqm);
	preemptions = gp->preemptions;
	resumes = gp->resumes;
	dqm_unlock(dqm);

	seq_printf(m, "preemptions %llu\n", preemptions);
	seq_printf(m, "resumes %llu\n", resumes);
	seq_printf(m, "ticks %llu\n", READ_ONCE(gp->ticks));
	seq_printf(m, "tick_ns %llu\n", READ_ONCE(gp->tick_ns));
	seq_printf(m, "inversions %llu\n", READ_ONCE(gp->inversions));
	seq_printf(m, "wakeups %llu\n", READ_ONCE(gp->wakeups));
	seq_printf(m, "enabled %d\n", READ_ONCE(gp->enabled));

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static void show_histogram(struct seq_file *m, struct device_queue_manager *dqm,
			   const struct kfd_gpreempt_histogram *live)
{
	struct kfd_gpreempt_histogram h;
	unsigned int i;

	dqm_lock(dqm);
	h = *live;
	dqm_unlock(dqm);

	for (i = 0; i < KFD_GPREEMPT_BUCKETS; i++)
		if (h.count[i])
			seq_printf(m, "%llu %llu\n", BIT_ULL(i), h.count[i]);
}

static int save_ns_show(struct seq_file *m, void *unused)
{
	struct device_queue_manager *dqm = m->private;

	show_histogram(m, dqm, &dqm->gpreempt.save_ns);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(save_ns);

static int wait_ns_show(struct seq_file *m, void *unused)
{
	struct device_queue_manager *dqm = m->private;

	show_histogram(m, dqm, &dqm->gpreempt.wait_ns);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(wait_ns);

/**
 * kfd_gpreempt_debugfs_init - create GPREEMPT's directory
 * @parent: amdkfd's directory
 */
void kfd_gpreempt_debugfs_init(struct dentry *parent)
{
	mutex_lock(&root_lock);
	root = debugfs_create_dir("gpreempt", parent);
	mutex_unlock(&root_lock);
}

/**
 * kfd_gpreempt_debugfs_fini - remove GPREEMPT's directory
 *
 * Context: process context; waits for readers.
 */
void kfd_gpreempt_debugfs_fini(void)
{
	mutex_lock(&root_lock);
	debugfs_remove(root);
	root = NULL;
	mutex_unlock(&root_lock);
}

/**
 * kfd_gpreempt_debugfs_add - create the files of a device
 * @dqm: the device, with a gpu_id if it has got one
 */
void kfd_gpreempt_debugfs_add(struct device_queue_manager *dqm)
{
	struct dentry *dir;
	char name[16];

	if (!dqm->dev->id)
		return;
	snprintf(name, sizeof(name), "%u", dqm->dev->id);

	mutex_lock(&root_lock);
	if (!root)
		goto out;
	dir = debugfs_create_dir(name, root);
	debugfs_create_file("queues", 0444, dir, dqm, &queues_fops);
	debugfs_create_file("stats", 0444, dir, dqm, &stats_fops);
	debugfs_create_file("save_ns", 0444, dir, dqm, &save_ns_fops);
	debugfs_create_file("wait_ns", 0444, dir, dqm, &wait_ns_fops);
	dqm->gpreempt.debugfs = dir;
out:
	mutex_unlock(&root_lock);
}

/**
 * kfd_gpreempt_debugfs_remove - remove the files of a device
 * @dqm: the device
 *
 * Context: process context, not under the DQM lock; waits for readers.
 */
void kfd_gpreempt_debugfs_remove(struct device_queue_manager *dqm)
{
	mutex_lock(&root_lock);
	if (root)
		debugfs_remove(dqm->gpreempt.debugfs);
	dqm->gpreempt.debugfs = NULL;
	mutex_unlock(&root_lock);
}
