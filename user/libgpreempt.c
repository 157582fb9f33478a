// SPDX-License-Identifier: (GPL-2.0 OR MIT)
#define _GNU_SOURCE
#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kfd_ioctl.h>

#include "libgpreempt.h"

#define KFD		"/dev/kfd"
#define TOPOLOGY	"/sys/class/kfd/kfd/topology/nodes"

#define STR_(x)		#x
#define STR(x)		STR_(x)

/* The public header does without the kernel's */
#define SAME(ours, theirs)	static_assert((int)(ours) == (int)(theirs), #ours)
SAME(GPREEMPT_ACTIVE, KFD_IOC_GPREEMPT_QUEUE_ACTIVE);
SAME(GPREEMPT_PREEMPTING, KFD_IOC_GPREEMPT_QUEUE_PREEMPTING);
SAME(GPREEMPT_PREEMPTED, KFD_IOC_GPREEMPT_QUEUE_PREEMPTED);
SAME(GPREEMPT_RESUMING, KFD_IOC_GPREEMPT_QUEUE_RESUMING);
SAME(GPREEMPT_HOLDER_NONE, KFD_IOC_GPREEMPT_HOLDER_NONE);
SAME(GPREEMPT_HOLDER_IOCTL, KFD_IOC_GPREEMPT_HOLDER_IOCTL);
SAME(GPREEMPT_HOLDER_MONITOR, KFD_IOC_GPREEMPT_HOLDER_MONITOR);
SAME(GPREEMPT_HOLDER_NOBODY, KFD_IOC_GPREEMPT_HOLDER_NOBODY);
SAME(GPREEMPT_DRAIN, KFD_IOC_PREEMPT_WAVEFRONT_DRAIN);
SAME(GPREEMPT_SAVE, KFD_IOC_PREEMPT_WAVEFRONT_SAVE);
SAME(GPREEMPT_READ_PENDING, KFD_IOC_GPREEMPT_READ_PENDING);
SAME(GPREEMPT_READ_WAVES, KFD_IOC_GPREEMPT_READ_WAVES);
SAME(GPREEMPT_RUNS, KFD_IOC_GPREEMPT_QUEUE_RUNS);
SAME(GPREEMPT_PREEMPTIBLE, KFD_IOC_GPREEMPT_QUEUE_PREEMPTIBLE);
SAME(GPREEMPT_PENDING_KNOWN, KFD_IOC_GPREEMPT_QUEUE_PENDING_KNOWN);
SAME(GPREEMPT_WAVES_KNOWN, KFD_IOC_GPREEMPT_QUEUE_WAVES_KNOWN);

struct gpreempt {
	int fd;
	bool own;	/* fd is ours to close */
};

static const char *const off_on[] = { "off", "on", NULL };
static const char *const policies[] = { "strict", "aged", NULL };

/* In the order of KFD_IOC_GPREEMPT_PARAM_* */
static const struct gpreempt_param params[] = {
	[KFD_IOC_GPREEMPT_PARAM_ENABLE] = {
		.name = "enable", .what = "the monitor preempts by priority",
		.bounds = "0 (off) or 1 (on)", .max = 1, .boot = "amdgpu.gpreempt",
		.words = off_on,
	},
	[KFD_IOC_GPREEMPT_PARAM_INTERVAL_US] = {
		.name = "interval_us", .what = "time between two looks at the queues",
		.bounds = "100 to 1000000", .min = 100, .max = 1000000, .def = 5000,
	},
	[KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US] = {
		.name = "holdoff_us",
		.what = "time without work in all higher queues before a resume",
		.bounds = "0 to 10000000", .max = 10000000, .def = 10000,
	},
	[KFD_IOC_GPREEMPT_PARAM_STARVATION_MS] = {
		.name = "starvation_ms",
		.what = "time after which a preempted queue gets a slice in any case",
		.bounds = "10 to 3600000", .min = 10, .max = 3600000, .def = 1000,
	},
	[KFD_IOC_GPREEMPT_PARAM_SLICE_US] = {
		.name = "slice_us", .what = "length of that slice",
		.bounds = "100 to 1000000", .min = 100, .max = 1000000, .def = 10000,
	},
	[KFD_IOC_GPREEMPT_PARAM_POLICY] = {
		.name = "policy", .what = "whether a preempted queue rises while it waits",
		.bounds = "0 (strict) or 1 (aged)", .max = 1, .words = policies,
	},
	[KFD_IOC_GPREEMPT_PARAM_AGING_MS] = {
		.name = "aging_ms", .what = "time in which it rises by one level",
		.bounds = "1 to 3600000", .min = 1, .max = 3600000, .def = 100,
	},
	[KFD_IOC_GPREEMPT_PARAM_TURN_US] = {
		.name = "turn_us",
		.what = "time after which a queue makes room for one of its level",
		.bounds = "0 (never) or 100 to 1000000", .min = 100, .max = 1000000, .zero = 1,
	},
	[KFD_IOC_GPREEMPT_PARAM_RANK] = {
		.name = "rank", .what = "nice values and users count besides priorities",
		.bounds = "0 (off) or 1 (on)", .max = 1, .def = 1, .words = off_on,
	},
};

#define NUM_PARAMS	(sizeof(params) / sizeof(params[0]))

static int call(const struct gpreempt *gp, unsigned long cmd, void *args)
{
	int r;

	do {
		r = ioctl(gp->fd, cmd, args);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int gpreempt_open_fd(struct gpreempt **out, int fd)
{
	/* No device has the ID 0, which only a kernel with the feature finds out */
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_QUERY,
		.queue_id = KFD_IOC_GPREEMPT_NO_QUEUE,
	};
	struct gpreempt *gp;
	int r;

	gp = calloc(1, sizeof(*gp));
	if (!gp)
		return -ENOMEM;
	gp->fd = fd;
	r = call(gp, AMDKFD_IOC_GPREEMPT, &args);
	if (r && r != -EINVAL) {
		free(gp);
		return r;
	}
	*out = gp;
	return 0;
}

int gpreempt_open(struct gpreempt **out)
{
	int fd = open(KFD, O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = gpreempt_open_fd(out, fd);
	if (r)
		close(fd);
	else
		(*out)->own = true;
	return r;
}

void gpreempt_close(struct gpreempt *gp)
{
	if (gp && gp->own)
		close(gp->fd);
	free(gp);
}

int gpreempt_fd(const struct gpreempt *gp)
{
	return gp->fd;
}

static int read_node(unsigned int node, const char *file, char *text, size_t size)
{
	char path[sizeof(TOPOLOGY) + 32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), TOPOLOGY "/%u/%s", node, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = 0;
	return 0;
}

/* The number in the line "NAME NUMBER" */
static unsigned long find_number(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text) {
		if (!strncmp(text, name, len) && text[len] == ' ')
			return strtoul(text + len, NULL, 10);
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return 0;
}

/* A CPU, or what the device cgroup hides, is none */
static bool read_gpu(unsigned int node, struct gpreempt_gpu *gpu)
{
	unsigned long domain, location;
	char text[8192];

	if (read_node(node, "gpu_id", text, sizeof(text)))
		return false;
	*gpu = (struct gpreempt_gpu){
		.gpu_id = strtoul(text, NULL, 10),
		.node = node,
	};
	if (!gpu->gpu_id || read_node(node, "properties", text, sizeof(text)))
		return false;
	domain = find_number(text, "domain");
	location = find_number(text, "location_id");
	/* KFD has the partition where PCI has the function, which is 0 */
	gpu->partition = location & 7;
	snprintf(gpu->pci, sizeof(gpu->pci), "%04x:%02lx:%02lx.0", (unsigned int)domain,
		 (location >> 8) & 0xff, (location >> 3) & 0x1f);
	return true;
}

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

int gpreempt_gpus(struct gpreempt_gpu *gpus, size_t max)
{
	unsigned int *nodes = NULL, *grown;
	struct gpreempt_gpu gpu;
	size_t n = 0, i;
	struct dirent *d;
	int found = 0;
	DIR *dir;

	dir = opendir(TOPOLOGY);
	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		grown = realloc(nodes, (n + 1) * sizeof(*nodes));
		if (!grown) {
			found = -ENOMEM;
			goto out;
		}
		nodes = grown;
		nodes[n++] = strtoul(d->d_name, NULL, 10);
	}
	if (n)
		qsort(nodes, n, sizeof(*nodes), by_number);
	for (i = 0; i < n; i++) {
		if (!read_gpu(nodes[i], &gpu))
			continue;
		if ((size_t)found < max)
			gpus[found] = gpu;
		found++;
	}
out:
	free(nodes);
	closedir(dir);
	return found;
}

int gpreempt_preempt(struct gpreempt *gp, pid_t pid, uint32_t queue, enum gpreempt_how how,
		     unsigned int timeout_ms)
{
	struct kfd_ioctl_preempt_queue_args args = {
		.queue_id = queue,
		.preempt_type = how,
		.timeout_ms = timeout_ms,
		.pid = pid,
	};

	return call(gp, AMDKFD_IOC_PREEMPT_QUEUE, &args);
}

int gpreempt_resume(struct gpreempt *gp, pid_t pid, uint32_t queue, unsigned int timeout_ms)
{
	struct kfd_ioctl_resume_queue_args args = {
		.queue_id = queue,
		.timeout_ms = timeout_ms,
		.pid = pid,
	};

	return call(gp, AMDKFD_IOC_RESUME_QUEUE, &args);
}

static void fill_queue(const struct kfd_ioctl_gpreempt_args *args, pid_t pid,
		       struct gpreempt_queue *out)
{
	*out = (struct gpreempt_queue){
		.gpu_id = args->gpu_id,
		.pid = pid,
		.id = args->queue_id,
		.state = args->queue_state,
		.holder = args->queue_holder,
		.priority = args->queue_priority,
		.flags = args->queue_flags,
		.waves = args->queue_waves,
		.pending = args->queue_pending,
		.since_ns = args->queue_since_ns,
		.preemptions = args->queue_preemptions,
	};
}

static int query(struct gpreempt *gp, uint32_t op, uint32_t gpu_id, pid_t pid, uint32_t queue,
		 unsigned int flags, struct gpreempt_queue *out)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = op,
		.gpu_id = gpu_id,
		.queue_id = queue,
		.pid = pid,
		.flags = flags,
	};
	int r;

	r = call(gp, AMDKFD_IOC_GPREEMPT, &args);
	if (!r)
		fill_queue(&args, pid ? pid : getpid(), out);
	return r;
}

int gpreempt_query(struct gpreempt *gp, uint32_t gpu_id, pid_t pid, uint32_t queue,
		   unsigned int flags, struct gpreempt_queue *out)
{
	if (queue == KFD_IOC_GPREEMPT_NO_QUEUE)
		return -EINVAL;
	return query(gp, KFD_IOC_GPREEMPT_OP_QUERY, gpu_id, pid, queue, flags, out);
}

int gpreempt_next_queue(struct gpreempt *gp, uint32_t gpu_id, pid_t pid, uint32_t from,
			unsigned int flags, struct gpreempt_queue *out)
{
	return query(gp, KFD_IOC_GPREEMPT_OP_NEXT_QUEUE, gpu_id, pid, from, flags, out);
}

int gpreempt_counters(struct gpreempt *gp, uint32_t gpu_id, struct gpreempt_counters *out)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_QUERY,
		.gpu_id = gpu_id,
		.queue_id = KFD_IOC_GPREEMPT_NO_QUEUE,
	};
	int r;

	r = call(gp, AMDKFD_IOC_GPREEMPT, &args);
	if (!r)
		*out = (struct gpreempt_counters){
			.preemptions = args.preemptions,
			.resumes = args.resumes,
			.ticks = args.ticks,
			.inversions = args.inversions,
		};
	return r;
}

int gpreempt_next_pid(struct gpreempt *gp, uint32_t gpu_id, pid_t *pid)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = KFD_IOC_GPREEMPT_OP_NEXT_PID,
		.gpu_id = gpu_id,
		.pid = *pid,
	};
	int r;

	r = call(gp, AMDKFD_IOC_GPREEMPT, &args);
	if (!r)
		*pid = args.pid;
	return r;
}

typedef int (*queue_fn)(const struct gpreempt_queue *queue, void *arg);

static int for_each_queue_of(struct gpreempt *gp, uint32_t gpu_id, pid_t pid, unsigned int flags,
			     queue_fn fn, void *arg)
{
	struct gpreempt_queue q = { .id = 0 };
	uint32_t from = 0;
	int r;

	for (;;) {
		r = gpreempt_next_queue(gp, gpu_id, pid, from, flags, &q);
		/* It has ended, or has become a program that is not the caller's */
		if (r == -ENOENT || r == -ESRCH || r == -EPERM)
			return 0;
		if (!r)
			r = fn(&q, arg);
		if (r || q.id == UINT32_MAX)
			return r;
		from = q.id + 1;
	}
}

static int for_each_queue_on(struct gpreempt *gp, uint32_t gpu_id, unsigned int flags,
			     queue_fn fn, void *arg)
{
	pid_t pid = 0;
	int r;

	do {
		r = gpreempt_next_pid(gp, gpu_id, &pid);
		if (!r)
			r = for_each_queue_of(gp, gpu_id, pid, flags, fn, arg);
	} while (!r);
	return r == -ENOENT ? 0 : r;
}

int gpreempt_for_each_queue(struct gpreempt *gp, uint32_t gpu_id, unsigned int flags,
			    queue_fn fn, void *arg)
{
	struct gpreempt_gpu *gpus;
	int n, i, r;

	if (gpu_id)
		return for_each_queue_on(gp, gpu_id, flags, fn, arg);

	n = gpreempt_gpus(NULL, 0);
	if (n <= 0)
		return n;
	gpus = calloc(n, sizeof(*gpus));
	if (!gpus)
		return -ENOMEM;
	r = gpreempt_gpus(gpus, n);
	if (r > 0 && r < n)
		n = r;
	for (i = 0; r >= 0 && i < n; i++) {
		r = for_each_queue_on(gp, gpus[i].gpu_id, flags, fn, arg);
		if (r)
			break;
	}
	free(gpus);
	return r;
}

const struct gpreempt_param *gpreempt_param(unsigned int n)
{
	return n < NUM_PARAMS ? &params[n] : NULL;
}

static int set_or_get(struct gpreempt *gp, uint32_t op, uint32_t gpu_id, const char *name,
		      uint64_t *value)
{
	struct kfd_ioctl_gpreempt_args args = {
		.op = op,
		.gpu_id = gpu_id,
		.value = op == KFD_IOC_GPREEMPT_OP_SET ? *value : 0,
	};
	int r;

	while (args.param < NUM_PARAMS && strcmp(name, params[args.param].name))
		args.param++;
	if (args.param == NUM_PARAMS)
		return -ENOENT;
	r = call(gp, AMDKFD_IOC_GPREEMPT, &args);
	if (!r)
		*value = args.value;
	return r;
}

int gpreempt_get(struct gpreempt *gp, uint32_t gpu_id, const char *name, uint64_t *value)
{
	return set_or_get(gp, KFD_IOC_GPREEMPT_OP_GET, gpu_id, name, value);
}

int gpreempt_set(struct gpreempt *gp, uint32_t gpu_id, const char *name, uint64_t value)
{
	return set_or_get(gp, KFD_IOC_GPREEMPT_OP_SET, gpu_id, name, &value);
}

const char *gpreempt_state_name(uint32_t state)
{
	static const char *const names[] = {
		[GPREEMPT_ACTIVE] = "ACTIVE",
		[GPREEMPT_PREEMPTING] = "PREEMPTING",
		[GPREEMPT_PREEMPTED] = "PREEMPTED",
		[GPREEMPT_RESUMING] = "RESUMING",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *gpreempt_holder_name(uint32_t holder)
{
	static const char *const names[] = {
		[GPREEMPT_HOLDER_NONE] = "-",
		[GPREEMPT_HOLDER_IOCTL] = "ioctl",
		[GPREEMPT_HOLDER_MONITOR] = "monitor",
		[GPREEMPT_HOLDER_NOBODY] = "nobody",
	};

	return holder < sizeof(names) / sizeof(names[0]) ? names[holder] : "unknown";
}

#define ANY	-1

/* The first that fits */
static const struct {
	int op;
	int error;
	const char *text;
} sentences[] = {
	{ GPREEMPT_OP_OPEN, ENOENT,
	  KFD " is not there: load amdgpu, and see in the kernel log why it found no GPU" },
	{ GPREEMPT_OP_OPEN, ENXIO,
	  KFD " has no driver: load amdgpu, and see in the kernel log why it found no GPU" },
	{ GPREEMPT_OP_OPEN, EACCES,
	  "may not open " KFD ": be a member of its group, which is render as a rule" },
	{ GPREEMPT_OP_OPEN, EPERM,
	  "may not use " KFD ": the device cgroup or the container has to allow it" },
	{ GPREEMPT_OP_OPEN, ENOTTY,
	  "the kernel's amdgpu has no GPREEMPT: it needs the series, and CONFIG_HSA_AMD_GPREEMPT" },
	{ GPREEMPT_OP_OPEN, EAGAIN,
	  "amdgpu is being reset or suspended: try again" },
	{ GPREEMPT_OP_GPUS, ENOENT,
	  TOPOLOGY " is not there: mount sysfs, and load amdgpu" },
	{ GPREEMPT_OP_PREEMPT, EINVAL,
	  "there is no such queue (any more): gpreempt list shows those that there are" },
	{ GPREEMPT_OP_RESUME, EINVAL,
	  "there is no such queue (any more): gpreempt list shows those that there are" },
	{ GPREEMPT_OP_QUERY, EINVAL,
	  "there is no such device or queue (any more): gpreempt list shows those that there are" },
	{ GPREEMPT_OP_GET, EINVAL,
	  "there is no such device, or this kernel does not know the parameter" },
	{ GPREEMPT_OP_SET, EINVAL,
	  "there is no such device, or the value is out of bounds: gpreempt config shows them" },
	{ GPREEMPT_OP_SET, EPERM,
	  "only who has CAP_SYS_ADMIN may set parameters: do it as root" },
	{ GPREEMPT_OP_SET, EOPNOTSUPP,
	  "waves of this device cannot be saved: load amdgpu with cwsr_enable=1" },
	{ GPREEMPT_OP_GET, ENOENT,
	  "there is no parameter of this name: gpreempt config shows them" },
	{ GPREEMPT_OP_SET, ENOENT,
	  "there is no parameter of this name: gpreempt config shows them" },
	{ GPREEMPT_OP_PREEMPT, EOPNOTSUPP,
	  "a queue of this kind cannot be preempted so: it uses GWS or has no save area, or was to be drained by a device with a hardware scheduler" },
	{ GPREEMPT_OP_RESUME, EOPNOTSUPP,
	  "a queue of this kind is never preempted" },
	{ GPREEMPT_OP_PREEMPT, EBUSY,
	  "another program holds the queue, or it is being destroyed: try again later" },
	{ GPREEMPT_OP_RESUME, EBUSY,
	  "the monitor or another program holds the queue: only that one can resume it, gpreempt list shows which" },
	{ GPREEMPT_OP_PREEMPT, ETIME,
	  "the queue did not stop in time, and is where it was: see the kernel log before you try again" },
	{ ANY, ETIME,
	  "the device did not answer in time: see the kernel log before you try again" },
	{ ANY, ENOENT, "there is none, or no further one" },
	{ ANY, ESRCH, "there is no such process (any more), or it does not use the GPU" },
	{ ANY, EPERM,
	  "the process is another user's: be that user, or have CAP_SYS_NICE" },
	{ ANY, EIO, "the device is hung, gone or in reset: see the kernel log" },
	{ ANY, EBADF,
	  "the file of " KFD " was opened by another process: open it in the one that uses it" },
	{ ANY, ENOTTY, "the kernel's amdgpu has no GPREEMPT, or the file is not " KFD },
	{ ANY, ENOMEM, "no memory: try again" },
};

const char *gpreempt_explain(enum gpreempt_op op, int error)
{
	size_t i;

	if (error < 0)
		error = -error;
	if (!error)
		return "no error";
	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (sentences[i].error == error &&
		    (sentences[i].op == ANY || sentences[i].op == (int)op))
			return sentences[i].text;
	/* Of all descriptions of errors the only ones that are constant */
	return strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error";
}

const char *gpreempt_version(void)
{
	return STR(GPREEMPT_VERSION_MAJOR) "." STR(GPREEMPT_VERSION_MINOR);
}
