// SPDX-License-Identifier: GPL-2.0
/*
 * gpreempt decode: what kfd's debugfs files mqds and hqds say, in words.
 *
 * A queue has an MQD in memory for each XCC, and while it runs an HQD, a set of
 * registers, on each. The firmware writes an MQD when it takes the queue off
 * the hardware; until then pointers in it are old, but cp_hqd_active is true.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "decode_v9.h"

#define DEBUGFS		"/sys/kernel/debug/kfd/"
/* An MI300X with all its queues on all XCCs has less than a tenth */
#define MAX_LINES	10000000

#define AQL_DWORDS	16	/* in a packet */

const char decode_help[] =
"usage: gpreempt decode [--json] [--all] [FILE...]\n"
"\n"
"Prints the MQDs and HQDs of GPUs of the GC 9 family (MI300 and before) field by\n"
"field, and says of each queue whether it was running. Each FILE is a copy of\n"
DEBUGFS "mqds or hqds, or - for standard input. Without one, both of\n"
"this machine are read. With both, an MQD is found in the HQDs that it is loaded\n"
"into. Of the XCCs after the first only what differs from it is shown.\n"
"\n"
"  -j, --json   one JSON object\n"
"  -a, --all    also words that are zero or reserved, HQDs that were not running,\n"
"               and all fields of all XCCs\n";

struct word {
	uint32_t key;	/* word of the MQD; for an unknown layout: what the dump says */
	uint32_t addr;	/* what the dump says: offset or register address */
	uint32_t value;
};

struct dump {
	struct word *word;
	unsigned int n;
	unsigned int room;
};

enum queue_type { COMPUTE, SDMA, DIQ };

struct queue {
	uint32_t pid;
	uint32_t pasid;
	uint32_t gpu;
	unsigned int number;	/* in the process's list */
	enum queue_type type;
	bool preempted;
	struct dump *mqd;
	unsigned int n;
	unsigned int room;
};

enum hqd_type { CP, HIQ, SDMA_RLC };

struct hqd {
	uint32_t gpu;
	enum hqd_type type;
	int inst;		/* of the XCC, or -1 */
	unsigned int pipe;	/* or SDMA engine */
	unsigned int slot;
	bool known;		/* its registers are those of GC 9 */
	struct dump regs;
};

/* What is looked for in the HQDs, which may be many */
struct index {
	uint32_t gpu;
	enum { HOLDS_MQD, HOLDS_SDMA, HAS_CP, HAS_SDMA, HAS_OTHER } what;
	uint64_t key;
	const struct hqd *hqd;
};

struct input {
	struct queue *queue;
	unsigned int queues;
	unsigned int queue_room;
	struct hqd *hqd;
	unsigned int hqds;
	unsigned int hqd_room;
	struct index *index;	/* sorted */
	unsigned int indices;
	unsigned int index_room;
	unsigned long lines;
	unsigned long strange;
	/* Where the parser is */
	uint32_t pid;
	uint32_t pasid;
	uint32_t gpu;
	unsigned int number;
	enum { NOTHING, IN_QUEUE, IN_HQD } in;
};

struct out {
	FILE *f;
	struct json json;
	bool is_json;
	bool all;
};

/* Room for one more; the array doubles. New elements are zero. */
static void *one_more(void *array, unsigned int *n, unsigned int *room, size_t size)
{
	char *p = array;

	if (*n == *room) {
		*room = *room ? 2 * *room : 8;
		p = realloc(p, *room * size);
		if (!p)
			die("out of memory");
	}
	memset(p + *n * size, 0, size);
	++*n;
	return p;
}

static void add_word(struct dump *d, uint32_t addr, uint32_t value)
{
	d->word = one_more(d->word, &d->n, &d->room, sizeof(*d->word));
	d->word[d->n - 1] = (struct word){ addr, addr, value };
}

static bool get(const struct dump *d, unsigned int key, uint32_t *value)
{
	unsigned int i;

	/* In an MQD that is whole a word is where it belongs */
	if (key < d->n && d->word[key].key == key) {
		*value = d->word[key].value;
		return true;
	}
	for (i = 0; i < d->n; i++)
		if (d->word[i].key == key) {
			*value = d->word[i].value;
			return true;
		}
	return false;
}

static bool get64(const struct dump *d, unsigned int key, uint64_t *value)
{
	uint32_t lo, hi;

	if (!get(d, key, &lo) || !get(d, key + 1, &hi))
		return false;
	*value = (uint64_t)hi << 32 | lo;
	return true;
}

/* Eight digits and no more, as the kernel prints them: a word that is cut is none. */
static bool parse_word(const char **s, uint32_t *value)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 8; i++) {
		unsigned char c = (*s)[i];

		if (!isxdigit(c))
			return false;
		v = v << 4 | (uint32_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	if (isxdigit((unsigned char)(*s)[8]))
		return false;
	*s += 8;
	*value = v;
	return true;
}

static struct dump *current_dump(struct input *in, uint32_t addr)
{
	struct queue *q;

	if (in->in == IN_HQD)
		return &in->hqd[in->hqds - 1].regs;
	if (in->in != IN_QUEUE)
		return NULL;
	q = &in->queue[in->queues - 1];
	/* The MQD of each XCC begins with offset 0 */
	if (!addr || !q->n)
		q->mqd = one_more(q->mqd, &q->n, &q->room, sizeof(*q->mqd));
	return &q->mqd[q->n - 1];
}

static bool parse_data(struct input *in, const char *s)
{
	uint32_t addr, value;
	struct dump *d;
	size_t cut;

	s += strspn(s, " \t");
	if (!parse_word(&s, &addr) || *s++ != ':')
		return false;
	d = current_dump(in, addr);
	if (!d)
		return false;
	for (; s += strspn(s, " "), parse_word(&s, &value); addr += 4)
		add_word(d, addr, value);
	/* The end of the line, or what is there of a word that is cut */
	cut = strspn(s, "0123456789abcdef");
	return cut < 8 && !s[cut + strspn(s + cut, "\r\n")];
}

/*
 * Stock kernels print for each queue that comes after a compute queue as many MQDs as that
 * has XCCs, but only the first is the queue's.
 */
static void end_queue(struct input *in)
{
	struct queue *q;

	if (in->in != IN_QUEUE)
		return;
	q = &in->queue[in->queues - 1];
	while (q->type != COMPUTE && q->n > 1)
		free(q->mqd[--q->n].word);
}

static void begin_queue(struct input *in, enum queue_type type, uint32_t gpu, bool preempted)
{
	in->queue = one_more(in->queue, &in->queues, &in->queue_room, sizeof(*in->queue));
	in->queue[in->queues - 1] = (struct queue){
		.pid = in->pid,
		.pasid = in->pasid,
		.gpu = gpu,
		.number = in->number++,
		.type = type,
		.preempted = preempted,
	};
	in->in = IN_QUEUE;
}

static void begin_hqd(struct input *in, enum hqd_type type, int inst, unsigned int pipe,
		      unsigned int slot)
{
	in->hqd = one_more(in->hqd, &in->hqds, &in->hqd_room, sizeof(*in->hqd));
	in->hqd[in->hqds - 1] = (struct hqd){
		.gpu = in->gpu,
		.type = type,
		.inst = inst,
		.pipe = pipe,
		.slot = slot,
	};
	in->in = IN_HQD;
}

/* A number, base 0 to see 0x; saturates. */
static bool number(const char **s, int base, uint32_t *value)
{
	char *end;
	unsigned long v;

	if (!isxdigit((unsigned char)**s))
		return false;
	errno = 0;
	v = strtoul(*s, &end, base);
	if (end == *s)
		return false;
	*value = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
	*s = end;
	return true;
}

/* The line goes on with @text; any spaces are like any others. */
static bool skip(const char **s, const char *text)
{
	const char *p = *s;

	for (; *text; text++) {
		if (*text == ' ') {
			if (*p != ' ')
				return false;
			p += strspn(p, " ");
		} else if (*p++ != *text) {
			return false;
		}
	}
	*s = p;
	return true;
}

static bool parse_head(struct input *in, const char *s)
{
	static const char * const queue_types[] = {
		[COMPUTE] = "Compute queue on device ",
		[SDMA] = "SDMA queue on device ",
		[DIQ] = "DIQ on device ",
	};
	uint32_t a, b, inst;
	bool has_inst;
	unsigned int i;

	end_queue(in);
	s += strspn(s, " ");
	if (skip(&s, "Process ") && number(&s, 10, &a) && skip(&s, " PASID ") &&
	    number(&s, 0, &b)) {
		in->pid = a;
		in->pasid = b;
		in->number = 0;
		in->in = NOTHING;
		return true;
	}
	for (i = 0; i < ARRAY_SIZE(queue_types); i++) {
		if (!skip(&s, queue_types[i]) || !number(&s, 16, &a))
			continue;
		begin_queue(in, (enum queue_type)i, a, skip(&s, ", preempted"));
		return true;
	}
	if (skip(&s, "Node ") && number(&s, 10, &a) && skip(&s, ", gpu_id ") &&
	    number(&s, 16, &b)) {
		in->gpu = b;
		in->in = NOTHING;
		return true;
	}
	if (skip(&s, "SDMA Engine ") && number(&s, 10, &a) && skip(&s, ", RLC ") &&
	    number(&s, 10, &b)) {
		begin_hqd(in, SDMA_RLC, -1, a, b);
		return true;
	}
	has_inst = skip(&s, "Inst ") && number(&s, 10, &inst) && inst <= INT_MAX &&
		skip(&s, ", ");
	if (skip(&s, "HIQ on MEC ") && number(&s, 10, &a) && skip(&s, " Pipe ") &&
	    number(&s, 10, &a) && skip(&s, " Queue ") && number(&s, 10, &b)) {
		begin_hqd(in, HIQ, has_inst ? (int)inst : -1, a, b);
		return true;
	}
	if (skip(&s, "CP Pipe ") && number(&s, 10, &a) && skip(&s, ", Queue ") &&
	    number(&s, 10, &b)) {
		begin_hqd(in, CP, has_inst ? (int)inst : -1, a, b);
		return true;
	}
	in->in = NOTHING;
	return skip(&s, "Device is stopped") || skip(&s, "Bad user queue type ") ||
		skip(&s, "Bad kernel queue type ") || skip(&s, "Weird: ");
}

static void parse(struct input *in, FILE *f, const char *name)
{
	size_t room = 0;
	char *line = NULL;

	in->in = NOTHING;
	while (getline(&line, &room, f) > 0) {
		if (++in->lines > MAX_LINES)
			die("%s: too long for a dump of queues", name);
		if (line[strspn(line, " \t\r\n")] && !parse_data(in, line) &&
		    !parse_head(in, line))
			in->strange++;
	}
	end_queue(in);
	if (ferror(f))
		die("%s: %s", name, strerror(errno));
	free(line);
}

/* From addresses of registers to words of an MQD, if they are those of GC 9 */
static void identify(struct hqd *h)
{
	struct dump *d = &h->regs;
	unsigned int i;
	uint32_t first;

	if (!d->n)
		return;
	first = d->word[0].addr / 4;
	if (h->type == SDMA_RLC) {
		/* Before SDMA 4.4 a queue has two registers less, and other distances */
		if (d->n == 42)
			return;
	} else if (first % V9_BASE_ALIGN != V9_HQD_REG % V9_BASE_ALIGN) {
		return;
	}
	h->known = true;
	for (i = 0; i < d->n; i++) {
		uint32_t distance = d->word[i].addr / 4 - first;

		d->word[i].key = h->type == SDMA_RLC ? v9_sdma_word(distance) :
				 V9_HQD_WORD + distance;
	}
}

static bool hqd_active(const struct hqd *h)
{
	uint32_t v;

	return h->known && get(&h->regs, h->type == SDMA_RLC ? sdmax_rlcx_rb_cntl : cp_hqd_active,
			       &v) && v & 1;
}

/* What tells the SDMA queues of a GPU apart, in their MQDs and on an engine; FNV-1a */
static bool sdma_key(const struct dump *d, uint64_t *key)
{
	static const unsigned short words[] = {
		sdmax_rlcx_rb_base, sdmax_rlcx_rb_base_hi, sdmax_rlcx_rb_rptr_addr_hi,
		sdmax_rlcx_rb_rptr_addr_lo, sdmax_rlcx_doorbell_offset,
	};
	unsigned int i;
	uint32_t v;

	*key = 0xcbf29ce484222325;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!get(d, words[i], &v))
			return false;
		*key = (*key ^ v) * 0x100000001b3;
	}
	return true;
}

static void add_index(struct input *in, const struct hqd *h, unsigned int what, uint64_t key)
{
	in->index = one_more(in->index, &in->indices, &in->index_room, sizeof(*in->index));
	in->index[in->indices - 1] = (struct index){ h->gpu, what, key, h };
}

static int compare(const void *one, const void *other)
{
	const struct index *a = one, *b = other;

	if (a->gpu != b->gpu)
		return a->gpu < b->gpu ? -1 : 1;
	if (a->what != b->what)
		return a->what < b->what ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return 0;
}

static void make_index(struct input *in)
{
	const struct hqd *h;
	uint64_t key;

	for (h = in->hqd; h < in->hqd + in->hqds; h++) {
		bool sdma = h->type == SDMA_RLC;

		if (!h->known) {
			if (h->regs.n && !sdma)
				add_index(in, h, HAS_OTHER, 0);
			continue;
		}
		add_index(in, h, sdma ? HAS_SDMA : HAS_CP, 0);
		if (hqd_active(h) && (sdma ? sdma_key(&h->regs, &key) :
				      get64(&h->regs, cp_mqd_base_addr_lo, &key)))
			add_index(in, h, sdma ? HOLDS_SDMA : HOLDS_MQD, key);
	}
	if (in->indices)
		qsort(in->index, in->indices, sizeof(*in->index), compare);
}

static const struct hqd *look_up(const struct input *in, uint32_t gpu, unsigned int what,
				 uint64_t key)
{
	struct index wanted = { gpu, what, key, NULL }, *found = NULL;

	if (in->indices)
		found = bsearch(&wanted, in->index, in->indices, sizeof(*in->index), compare);
	return found ? found->hqd : NULL;
}

/* The HQD that holds this MQD: compute by the MQD's address, which no other queue has */
static const struct hqd *hqd_of(const struct input *in, const struct queue *q,
				const struct dump *mqd)
{
	uint64_t key;

	if (q->type == SDMA)
		return sdma_key(mqd, &key) ? look_up(in, q->gpu, HOLDS_SDMA, key) : NULL;
	return get64(mqd, cp_mqd_base_addr_lo, &key) ? look_up(in, q->gpu, HOLDS_MQD, key) : NULL;
}

static bool has_hqds(const struct input *in, const struct queue *q)
{
	return look_up(in, q->gpu, q->type == SDMA ? HAS_SDMA : HAS_CP, 0);
}

/* MQDs do not say what GPU they are of; its HQDs, if they are there, do. */
static bool mqd_known(const struct input *in, const struct queue *q, const struct dump *d)
{
	unsigned int i, n = q->type == SDMA ? V9_SDMA_WORDS : V9_MQD_WORDS;

	if (!d->n || d->n > n || look_up(in, q->gpu, HAS_OTHER, 0))
		return false;
	for (i = 0; i < d->n; i++)
		if (d->word[i].addr % 4 || d->word[i].addr / 4 >= n)
			return false;
	return q->type == SDMA || d->word[0].addr || d->word[0].value == V9_HEADER;
}

/* An MQD's keys are its offsets in words, once it is known */
static void identify_mqd(struct dump *d)
{
	unsigned int i;

	for (i = 0; i < d->n; i++)
		d->word[i].key = d->word[i].addr / 4;
}

/*
 * Text and JSON have the same names; text has spaces in them.
 */
static void put_label(const struct out *o, const char *name)
{
	char label[32];
	unsigned int i;

	for (i = 0; name[i] && i < sizeof(label) - 1; i++)
		label[i] = name[i] == '_' ? ' ' : name[i];
	label[i] = 0;
	fprintf(o->f, "  %-22s ", label);
}

static void put_uint(struct out *o, const char *name, uint64_t value)
{
	if (o->is_json) {
		json_uint(&o->json, name, value);
		return;
	}
	put_label(o, name);
	fprintf(o->f, "%" PRIu64 "\n", value);
}

static void put_hex(struct out *o, const char *name, uint64_t value)
{
	if (o->is_json) {
		json_uint(&o->json, name, value);
		return;
	}
	put_label(o, name);
	fprintf(o->f, "0x%" PRIx64 "\n", value);
}

static void put_text(struct out *o, const char *name, const char *text)
{
	if (o->is_json) {
		json_string(&o->json, name, text);
		return;
	}
	put_label(o, name);
	fprintf(o->f, "%s\n", text);
}

/* true, false, or null if it is not known: -1 */
static void json_maybe(struct json *j, const char *name, int value)
{
	if (value < 0)
		json_null(j, name);
	else
		json_bool(j, name, value);
}

static void put_words(struct out *o, const struct dump *d)
{
	char name[16];
	unsigned int i;

	if (o->is_json)
		json_object(&o->json, "words");
	for (i = 0; i < d->n; i++) {
		const struct word *w = &d->word[i];

		if (!w->value && !o->all)
			continue;
		if (o->is_json) {
			snprintf(name, sizeof(name), "0x%08" PRIx32, w->addr);
			json_uint(&o->json, name, w->value);
		} else {
			fprintf(o->f, "    %08" PRIx32 "  %08" PRIx32 "\n", w->addr, w->value);
		}
	}
	if (o->is_json)
		json_end(&o->json);
}

static void put_field(struct out *o, enum v9_layout layout, const struct dump *d,
		      const struct word *w, bool registers)
{
	const struct v9_field *f = v9_field(layout, w->key);
	char name[48];
	uint32_t next;
	bool has_next = get(d, w->key + 1, &next);

	if (f && registers && !f->reg)
		f = NULL;
	if (!f && !o->all && !w->value)
		return;
	if (!f)
		snprintf(name, sizeof(name), registers ? "register_%" PRIx32 : "reserved_%" PRIu32,
			 registers ? w->addr : w->key);
	else if (registers)
		snprintf(name, sizeof(name), "%s", f->reg);
	else if (f->numbers > 1)
		snprintf(name, sizeof(name), "%s%u", f->name, w->key - f->word + f->first);
	else
		snprintf(name, sizeof(name), "%s", f->name);

	if (o->is_json) {
		json_uint(&o->json, name, w->value);
		return;
	}
	fprintf(o->f, registers ? "    %08" PRIx32 " " : "    %03" PRIx32 " ", w->addr);
	fprintf(o->f, " %-31s %08" PRIx32, name, w->value);
	if (f)
		v9_explain(o->f, f, w->value, has_next ? &next : NULL);
	fputc('\n', o->f);
}

/* Those that are not zero; with @but only those that differ there */
static void put_fields(struct out *o, enum v9_layout layout, const struct dump *d,
		       const struct dump *but, bool registers)
{
	unsigned int i;
	uint32_t same;

	if (o->is_json)
		json_object(&o->json, "fields");
	for (i = 0; i < d->n; i++) {
		const struct word *w = &d->word[i];

		if (!o->all && !(but && !o->is_json ? !get(but, w->key, &same) || same != w->value :
				 w->value))
			continue;
		put_field(o, layout, d, w, registers);
	}
	if (o->is_json)
		json_end(&o->json);
}

/* MQDs and HQDs have these at the same words. @live: pointers are not old ones */
static void put_ring(struct out *o, const struct dump *d, bool live)
{
	uint32_t v, rptr, wptr, control = 0, aql = 0;
	uint64_t v64, dwords;
	bool sized;

	if (get64(d, cp_hqd_pq_base_lo, &v64))
		put_hex(o, "ring", v64 << 8);
	sized = get(d, cp_hqd_pq_control, &control);
	/* Larger ones than 2^32 dwords are nonsense */
	dwords = 1ULL << ((control & 0x1f) + 1);
	if (sized)
		put_uint(o, "ring_bytes", 4 * dwords);
	if (get(d, cp_hqd_aql_control, &aql))
		put_text(o, "format", aql & 1 ? "aql" : "pm4");
	if (get(d, cp_hqd_queue_priority, &v))
		put_uint(o, "priority", v);
	if (get(d, cp_hqd_pipe_priority, &v))
		put_uint(o, "pipe_priority", v);
	if (get(d, cp_hqd_vmid, &v))
		put_uint(o, "vmid", v & 0xf);
	if (get(d, cp_hqd_pq_doorbell_control, &v))
		put_hex(o, "doorbell_offset", (uint64_t)(v & 0x0ffffffc));
	if (get64(d, cp_hqd_pq_rptr_report_addr_lo, &v64))
		put_hex(o, "rptr_address", v64);
	if (get64(d, cp_hqd_pq_wptr_poll_addr_lo, &v64))
		put_hex(o, "wptr_address", v64);
	if (live && sized && get(d, cp_hqd_pq_rptr, &rptr) && get(d, cp_hqd_pq_wptr_lo, &wptr)) {
		put_uint(o, "rptr_dwords", rptr);
		put_uint(o, "wptr_dwords", wptr);
		put_uint(o, aql & 1 ? "pending_packets" : "pending_dwords",
			 ((wptr - rptr) & (dwords - 1)) / (aql & 1 ? AQL_DWORDS : 1));
	}
	if (get(d, cp_hqd_cntl_stack_size, &v))
		put_hex(o, "control_stack_bytes", v);
	if (get(d, cp_hqd_ctx_save_size, &v))
		put_hex(o, "save_area_bytes", v);
}

/* What the last save left: bytes of control stack and of waves. -1: nonsense, 0: not in the dump */
static int saved(const struct dump *d, uint32_t *stack, uint32_t *waves)
{
	uint32_t offset, size, end, area;

	if (!get(d, cp_hqd_cntl_stack_offset, &offset) || !get(d, cp_hqd_cntl_stack_size, &size) ||
	    !get(d, cp_hqd_wg_state_offset, &end) || !get(d, cp_hqd_ctx_save_size, &area))
		return 0;
	if (offset > size || end < size || end > area)
		return -1;
	*stack = size - offset;
	*waves = end - size;
	return 1;
}

struct verdict {
	int running;		/* -1: not known */
	const char *state;
	char why[160];
};

static void judge_sdma(const struct input *in, const struct queue *q, struct verdict *v)
{
	const struct hqd *h = hqd_of(in, q, &q->mqd[0]);

	if (h) {
		v->running = 1;
		snprintf(v->why, sizeof(v->why), "SDMA engine %u RLC %u has it", h->pipe, h->slot);
	} else if (has_hqds(in, q)) {
		v->running = 0;
		snprintf(v->why, sizeof(v->why), "no SDMA engine has it");
	} else {
		snprintf(v->why, sizeof(v->why), "an SDMA queue's MQD does not tell; hqds does");
	}
}

static void judge(const struct input *in, const struct queue *q, bool known, struct verdict *v)
{
	unsigned int i, on = 0, seen = 0, hqds = 0;
	uint32_t active;
	int n;

	*v = (struct verdict){ .running = -1 };
	if (!known) {
		snprintf(v->why, sizeof(v->why), "the dump is cut, or not of a GC 9 GPU");
	} else if (q->type == SDMA) {
		judge_sdma(in, q, v);
	} else {
		for (i = 0; i < q->n; i++) {
			if (get(&q->mqd[i], cp_hqd_active, &active)) {
				seen++;
				on += active & 1;
			}
			hqds += !!hqd_of(in, q, &q->mqd[i]);
		}
		n = snprintf(v->why, sizeof(v->why), "cp_hqd_active on %u of %u XCCs", on, q->n);
		if (seen < q->n)
			n += snprintf(v->why + n, sizeof(v->why) - n, " (the dump is cut)");
		if (has_hqds(in, q))
			snprintf(v->why + n, sizeof(v->why) - n, ", in an HQD on %u", hqds);
		else if (!on)
			snprintf(v->why + n, sizeof(v->why) - n,
				 "; without a hardware scheduler only hqds tells");
		if (on || hqds)
			v->running = 1;
		else if (seen)
			v->running = 0;
	}
	v->state = q->preempted ? "preempted" : v->running < 0 ? "unknown" :
		   v->running ? "running" : "not running";
}

static void put_hqd_name(const struct out *o, const struct hqd *h)
{
	if (h->inst >= 0)
		fprintf(o->f, "inst %d ", h->inst);
	if (h->type == SDMA_RLC)
		fprintf(o->f, "SDMA engine %u RLC %u", h->pipe, h->slot);
	else
		fprintf(o->f, "%spipe %u queue %u", h->type == HIQ ? "HIQ " : "", h->pipe, h->slot);
}

static void put_xcc(struct out *o, const struct input *in, const struct queue *q, unsigned int x)
{
	const struct dump *d = &q->mqd[x];
	const struct hqd *h = hqd_of(in, q, d);
	uint32_t stack = 0, waves = 0, active;
	int active_known = get(d, cp_hqd_active, &active) ? (int)(active & 1) : -1;
	int sense = saved(d, &stack, &waves);
	uint64_t mqd, area;
	bool has_mqd = get64(d, cp_mqd_base_addr_lo, &mqd);
	bool has_area = get64(d, cp_hqd_ctx_save_base_addr_lo, &area);

	if (o->is_json) {
		struct json *j = &o->json;

		json_object(j, NULL);
		json_uint(j, "xcc", x);
		if (has_mqd)
			json_uint(j, "mqd", mqd);
		json_maybe(j, "active", active_known);
		if (has_area)
			json_uint(j, "save_area", area);
		if (sense > 0) {
			json_uint(j, "saved_control_stack_bytes", stack);
			json_uint(j, "saved_wave_bytes", waves);
		}
		if (h) {
			json_object(j, "hqd");
			json_int(j, "inst", h->inst);
			json_uint(j, "pipe", h->pipe);
			json_uint(j, "queue", h->slot);
			json_end(j);
		}
		json_bool(j, "cut", d->n < V9_MQD_WORDS);
		return;
	}
	fprintf(o->f, "  XCC %u:", x);
	if (has_mqd)
		fprintf(o->f, " MQD 0x%" PRIx64 ",", mqd);
	fprintf(o->f, " %s", active_known < 0 ? "cut" : active_known ? "active" : "not active");
	if (has_area)
		fprintf(o->f, ", save area 0x%" PRIx64, area);
	if (sense < 0)
		fputs(", offsets of the save area make no sense", o->f);
	else if (stack || waves)
		fprintf(o->f, ", %s 0x%" PRIx32 " bytes of control stack, 0x%" PRIx32 " of waves",
			active_known > 0 || h ? "the last save left" : "saved", stack, waves);
	else if (sense)
		fputs(", nothing saved", o->f);
	if (h) {
		fputs(", ", o->f);
		put_hqd_name(o, h);
	}
	if (d->n < V9_MQD_WORDS)
		fprintf(o->f, "; cut: %u of %u words", d->n, V9_MQD_WORDS);
	fputc('\n', o->f);
}

static void put_compute(struct out *o, const struct input *in, const struct queue *q,
			bool running)
{
	const struct dump *first = &q->mqd[0];
	enum v9_layout layout = V9_MQD;
	uint32_t stride;
	unsigned int x;

	put_ring(o, first, !running);
	if (get(first, cp_mqd_stride_size, &stride)) {
		put_hex(o, "mqd_stride", stride);
		if (!stride)
			layout = V9_MQD_ONE_XCC;
	}
	if (o->is_json)
		json_array(&o->json, "xccs");
	for (x = 0; x < q->n; x++) {
		put_xcc(o, in, q, x);
		if (o->is_json) {
			put_fields(o, layout, &q->mqd[x], NULL, false);
			json_end(&o->json);
		}
	}
	if (o->is_json) {
		json_end(&o->json);
		return;
	}
	for (x = 0; x < q->n; x++) {
		fprintf(o->f, x && !o->all ? "  MQD of XCC %u, where it differs:\n" :
			"  MQD of XCC %u:\n", x);
		put_fields(o, layout, &q->mqd[x], x ? first : NULL, false);
	}
}

static void put_sdma(struct out *o, const struct dump *d, bool registers)
{
	uint64_t v64;
	uint32_t v;

	if (get64(d, sdmax_rlcx_rb_base, &v64))
		put_hex(o, "ring", v64 << 8);
	if (get(d, sdmax_rlcx_rb_cntl, &v)) {
		put_uint(o, "ring_bytes", 4ULL << (v >> 1 & 0x1f));
		put_uint(o, "vmid", v >> 24 & 0xf);
	}
	if (get64(d, sdmax_rlcx_rb_rptr, &v64))
		put_uint(o, "rptr_bytes", v64);
	if (get64(d, sdmax_rlcx_rb_wptr, &v64))
		put_uint(o, "wptr_bytes", v64);
	if (get(d, sdmax_rlcx_doorbell_offset, &v))
		put_hex(o, "doorbell_offset", (uint64_t)(v & 0x0ffffffc));
	if (get(d, sdma_engine_id, &v))
		put_uint(o, "engine", v);
	if (get(d, sdma_queue_id, &v))
		put_uint(o, "queue", v);
	if (!o->is_json)
		fputs(registers ? "  registers:\n" : "  MQD:\n", o->f);
	put_fields(o, V9_SDMA, d, NULL, registers);
}

static void put_unknown(struct out *o, const struct dump *d)
{
	if (!o->is_json)
		fprintf(o->f, "  %u words of an unknown layout:\n", d->n);
	put_words(o, d);
}

static void put_queue(struct out *o, const struct input *in, struct queue *q)
{
	static const char * const types[] = { "compute", "sdma", "diq" };
	struct verdict v;
	unsigned int x;
	bool known = q->n;

	for (x = 0; x < q->n; x++)
		known = known && mqd_known(in, q, &q->mqd[x]);
	for (x = 0; known && x < q->n; x++)
		identify_mqd(&q->mqd[x]);
	judge(in, q, known, &v);

	if (o->is_json) {
		json_object(&o->json, NULL);
		json_uint(&o->json, "pid", q->pid);
		json_uint(&o->json, "pasid", q->pasid);
		json_uint(&o->json, "gpu_id", q->gpu);
		json_uint(&o->json, "number", q->number);
		json_string(&o->json, "type", types[q->type]);
		json_string(&o->json, "state", v.state);
		json_maybe(&o->json, "running", v.running);
		json_string(&o->json, "why", v.why);
		json_bool(&o->json, "known", known);
	} else {
		fprintf(o->f, "process %" PRIu32 " PASID %" PRIu32 " gpu_id %" PRIx32
			", %s queue %u: ", q->pid, q->pasid, q->gpu, types[q->type], q->number);
		if (q->preempted)
			fputs("was preempted", o->f);
		else
			fputs(v.running < 0 ? "not known if it was running" :
			      v.running ? "was running" : "was not running", o->f);
		fprintf(o->f, " (%s)\n", v.why);
	}
	if (!known) {
		if (o->is_json)
			json_array(&o->json, "mqds");
		for (x = 0; x < q->n; x++) {
			if (o->is_json)
				json_object(&o->json, NULL);
			put_unknown(o, &q->mqd[x]);
			if (o->is_json)
				json_end(&o->json);
		}
		if (o->is_json)
			json_end(&o->json);
	} else if (q->type == SDMA) {
		put_sdma(o, &q->mqd[0], false);
	} else {
		put_compute(o, in, q, v.running > 0);
	}
	if (o->is_json)
		json_end(&o->json);
	else
		fputc('\n', o->f);
}

static void put_hqd(struct out *o, const struct hqd *h)
{
	static const char * const types[] = { "cp", "hiq", "sdma" };
	const struct dump *d = &h->regs;
	uint32_t control = 0, status = 0, persistent = 0, v;
	bool active = hqd_active(h);
	bool empty, dispatch, idle, cut;
	uint64_t mqd;

	cut = d->n < (h->type == SDMA_RLC ? 44 : V9_HQD_WORDS);
	if (h->type == SDMA_RLC) {
		get(d, sdmax_rlcx_context_status, &status);
		empty = false;
		dispatch = false;
		idle = status & 4;
	} else {
		get(d, cp_hqd_pq_control, &control);
		get(d, cp_hqd_hq_status0, &status);
		get(d, cp_hqd_persistent_state, &persistent);
		empty = control & 1 << 15;
		dispatch = persistent & 1U << 31;
		idle = status & 1 << 30;
	}
	if (o->is_json) {
		struct json *j = &o->json;

		json_object(j, NULL);
		json_uint(j, "gpu_id", h->gpu);
		json_string(j, "type", types[h->type]);
		json_int(j, "inst", h->inst);
		json_uint(j, h->type == SDMA_RLC ? "engine" : "pipe", h->pipe);
		json_uint(j, "queue", h->slot);
		json_maybe(j, "running", h->known ? (int)active : -1);
		json_bool(j, "known", h->known);
		json_bool(j, "cut", cut);
	} else {
		fprintf(o->f, "gpu_id %" PRIx32 " ", h->gpu);
		put_hqd_name(o, h);
		if (!h->known) {
			fputs(d->n ? ": not known if it was running, no registers of GC 9\n" :
			      ": the dump is cut\n", o->f);
		} else {
			fprintf(o->f, ": was %srunning", active ? "" : "not ");
			if (active)
				fprintf(o->f, "%s%s%s", dispatch ? ", a dispatch is active" : "",
					empty ? ", ring empty" : "", idle ? ", idle" : "");
			fputs(cut ? " (the dump is cut)\n" : "\n", o->f);
		}
	}
	if (!h->known) {
		put_unknown(o, d);
	} else if (active || o->all) {
		if (h->type == SDMA_RLC) {
			put_sdma(o, d, true);
		} else {
			if (o->is_json) {
				json_bool(&o->json, "dispatch_active", dispatch);
				json_bool(&o->json, "ring_empty", empty);
				json_bool(&o->json, "idle", idle);
			}
			if (get64(d, cp_mqd_base_addr_lo, &mqd))
				put_hex(o, "mqd", mqd);
			if (get(d, cp_hqd_dequeue_request, &v) && v & 7)
				put_text(o, "leaving", "asked to leave the hardware");
			put_ring(o, d, active);
			if (!o->is_json)
				fputs("  registers:\n", o->f);
			put_fields(o, V9_MQD, d, NULL, true);
		}
	}
	if (o->is_json)
		json_end(&o->json);
	else if (!h->known || active || o->all)
		fputc('\n', o->f);
}

static void put_all(struct out *o, const struct input *in)
{
	unsigned int i;

	if (o->is_json) {
		json_object(&o->json, NULL);
		json_array(&o->json, "queues");
	}
	for (i = 0; i < in->queues; i++)
		put_queue(o, in, &in->queue[i]);
	if (o->is_json) {
		json_end(&o->json);
		json_array(&o->json, "hqds");
	}
	for (i = 0; i < in->hqds; i++)
		put_hqd(o, &in->hqd[i]);
	if (o->is_json) {
		json_end(&o->json);
		json_uint(&o->json, "strange_lines", in->strange);
		json_end(&o->json);
	}
}

static void free_input(struct input *in)
{
	unsigned int i, x;

	for (i = 0; i < in->queues; i++) {
		for (x = 0; x < in->queue[i].n; x++)
			free(in->queue[i].mqd[x].word);
		free(in->queue[i].mqd);
	}
	for (i = 0; i < in->hqds; i++)
		free(in->hqd[i].regs.word);
	free(in->queue);
	free(in->hqd);
	free(in->index);
}

static void parse_file(struct input *in, const char *name)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : stdin;

	if (!f)
		die("%s: %s", name, strerror(errno));
	parse(in, f, name);
	if (f != stdin)
		fclose(f);
}

static void parse_debugfs(struct input *in, const char *name)
{
	FILE *f = fopen(name, "re");

	if (!f && errno == EACCES)
		die("%s: only root may read it; or name a FILE", name);
	if (!f)
		die("%s: %s; is amdgpu loaded, debugfs mounted? Or name a FILE", name,
		    strerror(errno));
	parse(in, f, name);
	fclose(f);
}

int cmd_decode(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 }
	};
	struct out o = { .f = stdout };
	struct input in = { 0 };
	unsigned int i;
	int c;

	while ((c = getopt_long(argc, argv, "ja", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			o.is_json = true;
			break;
		case 'a':
			o.all = true;
			break;
		default:
			usage(NULL);
		}
	}
	if (optind == argc) {
		parse_debugfs(&in, DEBUGFS "mqds");
		parse_debugfs(&in, DEBUGFS "hqds");
	}
	for (; optind < argc; optind++)
		parse_file(&in, argv[optind]);
	for (i = 0; i < in.hqds; i++)
		identify(&in.hqd[i]);
	make_index(&in);

	json_init(&o.json, o.f);
	put_all(&o, &in);
	if (in.strange)
		warn("%lu lines of %lu were not understood", in.strange, in.lines);
	c = in.queues || in.hqds ? 0 : 1;
	if (c)
		warn("no MQD and no HQD in the input");
	free_input(&in);
	if (fflush(stdout) || ferror(stdout))
		die("cannot write: %s", strerror(errno));
	return c;
}
