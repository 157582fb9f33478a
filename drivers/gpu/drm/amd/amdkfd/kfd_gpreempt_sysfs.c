// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The parameters and counters of GPREEMPT in sysfs: gpreempt/<node>/ under the
 * PCI device, one value a file. What they mean is said in
 * Documentation/ABI/testing/sysfs-driver-amdkfd-gpreempt.
 *
 * The directories are device resources: they must be gone when the driver is
 * unbound, but amdkfd lives until the last file of the device is closed.
 */

#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"

/**
 * struct node_dir - the directory of a node
 * @kobj: the directory
 * @dqm: the node; alive while a file of the directory is read or written
 */
struct node_dir {
	struct kobject kobj;
	struct device_queue_manager *dqm;
};

static struct device_queue_manager *dqm_of(struct kobject *kobj)
{
	return container_of(kobj, struct node_dir, kobj)->dqm;
}

/**
 * struct param_attr - the file of a parameter
 * @attr: the file
 * @param: KFD_IOC_GPREEMPT_PARAM_*
 */
struct param_attr {
	struct kobj_attribute attr;
	u32 param;
};

static u32 param_of(struct kobj_attribute *attr)
{
	return container_of(attr, struct param_attr, attr)->param;
}

static ssize_t param_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	u64 value;
	int r;

	r = kfd_gpreempt_get_param(dqm_of(kobj), param_of(attr), &value);

	return r ?: sysfs_emit(buf, "%llu\n", value);
}

static ssize_t param_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	u64 value;
	int r;

	r = kstrtou64(buf, 10, &value);
	if (!r)
		r = kfd_gpreempt_set_param(dqm_of(kobj), param_of(attr), value);

	return r ?: count;
}

#define PARAM(_name, _param)						\
	static struct param_attr param_##_name = {			\
		.attr = __ATTR(_name, 0644, param_show, param_store),	\
		.param = KFD_IOC_GPREEMPT_PARAM_##_param,		\
	}

PARAM(enable, ENABLE);
PARAM(interval_us, INTERVAL_US);
PARAM(holdoff_us, HOLDOFF_US);
PARAM(starvation_ms, STARVATION_MS);
PARAM(slice_us, SLICE_US);
PARAM(aging_ms, AGING_MS);
PARAM(turn_us, TURN_US);
PARAM(rank, RANK);

/* A word for each value; shown like the schedulers of a block device */
static const char * const policies[] = {
	[KFD_GPREEMPT_POLICY_STRICT] = "strict",
	[KFD_GPREEMPT_POLICY_AGED] = "aged",
};

static ssize_t policy_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	unsigned int i;
	u64 value;
	int len;
	int r;

	r = kfd_gpreempt_get_param(dqm_of(kobj), param_of(attr), &value);
	if (r)
		return r;

	len = 0;
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		len += sysfs_emit_at(buf, len, i == value ? "[%s] " : "%s ",
				     policies[i]);
	buf[len - 1] = '\n';

	return len;
}

static ssize_t policy_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	int r;

	r = sysfs_match_string(policies, buf);
	if (r >= 0)
		r = kfd_gpreempt_set_param(dqm_of(kobj), param_of(attr), r);

	return r ?: count;
}

static struct param_attr param_policy = {
	.attr = __ATTR(policy, 0644, policy_show, policy_store),
	.param = KFD_IOC_GPREEMPT_PARAM_POLICY,
};

/**
 * struct counter_attr - the file of a counter
 * @attr: the file
 * @offset: where the counter is in struct kfd_gpreempt
 */
struct counter_attr {
	struct kobj_attribute attr;
	size_t offset;
};

static ssize_t counter_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	size_t offset = container_of(attr, struct counter_attr, attr)->offset;
	void *gp = &dqm_of(kobj)->gpreempt;

	return sysfs_emit(buf, "%llu\n", READ_ONCE(*(u64 *)(gp + offset)));
}

#define COUNTER(_name, _member)						\
	static struct counter_attr counter_##_name = {			\
		.attr = __ATTR(_name, 0444, counter_show, NULL),	\
		.offset = offsetof(struct kfd_gpreempt, _member),		\
	}

COUNTER(preemptions, preemptions);
COUNTER(resumes, resumes);
COUNTER(ticks, ticks);
COUNTER(inversions, inversions);

static struct attribute *node_attrs[] = {
	&param_enable.attr.attr,
	&param_interval_us.attr.attr,
	&param_holdoff_us.attr.attr,
	&param_starvation_ms.attr.attr,
	&param_slice_us.attr.attr,
	&param_policy.attr.attr,
	&param_aging_ms.attr.attr,
	&param_turn_us.attr.attr,
	&param_rank.attr.attr,
	&counter_preemptions.attr.attr,
	&counter_resumes.attr.attr,
	&counter_ticks.attr.attr,
	&counter_inversions.attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(node);

static void free_node_dir(struct kobject *kobj)
{
	kfree(container_of(kobj, struct node_dir, kobj));
}

static const struct kobj_type node_type = {
	.release = free_node_dir,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = node_groups,
};

static void remove_parent_dir(struct device *dev, void *res)
{
	kobject_put(*(struct kobject **)res);
}

/* gpreempt/, which the nodes of a device share */
static struct kobject *get_parent_dir(struct device *dev)
{
	struct kobject **res;

	res = devres_find(dev, remove_parent_dir, NULL, NULL);
	if (res)
		return *res;

	res = devres_alloc(remove_parent_dir, sizeof(*res), GFP_KERNEL);
	if (!res)
		return NULL;
	*res = kobject_create_and_add("gpreempt", &dev->kobj);
	if (!*res) {
		devres_free(res);
		return NULL;
	}
	devres_add(dev, res);

	return *res;
}

/* Waits for those who are reading or writing a file */
static void remove_node_dir(struct device *dev, void *res)
{
	struct node_dir *dir = *(struct node_dir **)res;

	kobject_del(&dir->kobj);
	kobject_put(&dir->kobj);
}

static int is_dir_of(struct device *dev, void *res, void *dqm)
{
	return (*(struct node_dir **)res)->dqm == dqm;
}

static int add_node_dir(struct device *dev, struct device_queue_manager *dqm)
{
	struct node_dir *dir, **res;
	struct kobject *parent;
	int r;

	parent = get_parent_dir(dev);
	res = devres_alloc(remove_node_dir, sizeof(*res), GFP_KERNEL);
	dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	if (!parent || !res || !dir) {
		kfree(dir);
		devres_free(res);
		return -ENOMEM;
	}

	dir->dqm = dqm;
	*res = dir;
	r = kobject_init_and_add(&dir->kobj, &node_type, parent, "%u",
				 dqm->dev->node_id);
	if (r) {
		kobject_put(&dir->kobj);
		devres_free(res);
		return r;
	}
	devres_add(dev, res);

	return 0;
}

/**
 * kfd_gpreempt_sysfs_init - show a node in sysfs
 * @dqm: the node, with its parameters ready to be set
 *
 * All works without as well, so a failure is a warning in the log.
 *
 * Context: process context, while the device is probed or partitioned anew.
 */
void kfd_gpreempt_sysfs_init(struct device_queue_manager *dqm)
{
	struct device *dev = dqm->dev->adev->dev;
	int r;

	r = add_node_dir(dev, dqm);
	if (r)
		dev_warn(dev, "GPREEMPT: node %u is not in sysfs (%d)\n",
			 dqm->dev->node_id, r);
}

/**
 * kfd_gpreempt_sysfs_fini - take a node out of sysfs
 * @dqm: the node
 *
 * Context: process context. Waits for writers, which take gpreempt.ctl and the
 * DQM lock and wait for the monitor; hold none of these.
 */
void kfd_gpreempt_sysfs_fini(struct device_queue_manager *dqm)
{
	/* Not there any more if the driver was unbound before */
	devres_release(dqm->dev->adev->dev, remove_node_dir, is_dir_of, dqm);
}
