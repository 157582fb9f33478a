// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

const char config_help[] =
	"usage: gpreempt config [GPU] [NAME[=VALUE]]... [OPTION]...\n"
	"Shows parameters of the monitor of each device, or sets them, which needs\n"
	"CAP_SYS_ADMIN. Without a NAME it shows all. GPU is a gpu_id or a PCI address.\n\n"
	"  --gpu GPU       another way to write GPU\n"
	"  --json          one JSON object\n\n"
	"What is set counts at once, until the driver is unloaded. The default of enable\n"
	"is the module parameter amdgpu.gpreempt.\n";

static const struct gpreempt_param *find_param(const char *name)
{
	const struct gpreempt_param *p;
	unsigned int i;

	for (i = 0; (p = gpreempt_param(i)); i++)
		if (!strcmp(p->name, name))
			return p;
	usage("there is no parameter '%s': 'gpreempt config' shows them", name);
}

static const char *word_of(const struct gpreempt_param *p, uint64_t value)
{
	uint64_t i;

	for (i = 0; p->words && p->words[i]; i++)
		if (i == value)
			return p->words[i];
	return NULL;
}

static uint64_t parse_value(const struct gpreempt_param *p, const char *text)
{
	uint64_t value;
	char *end;
	int i;

	for (i = 0; p->words && p->words[i]; i++)
		if (!strcmp(p->words[i], text))
			return i;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end ||
	    ((value < p->min || value > p->max) && !(p->zero && !value)))
		usage("%s is %s, not '%s'", p->name, p->bounds, text);
	return value;
}

static void show(const struct gpreempt_gpu *gpu, const struct gpreempt_param *p, uint64_t value)
{
	char now[32], def[32];
	const char *word = word_of(p, value);

	snprintf(now, sizeof(now), word ? "%" PRIu64 " (%s)" : "%" PRIu64, value, word);
	snprintf(def, sizeof(def), "%" PRIu64, p->def);
	printf("%6u %-14s %-12s %-8s %-28s %s\n", gpu->gpu_id, p->name, now,
	       p->boot ? "module" : def, p->bounds, p->what);
}

static void json_param(struct json *j, const struct gpreempt_param *p, uint64_t value)
{
	json_object(j, NULL);
	json_string(j, "name", p->name);
	json_uint(j, "value", value);
	if (p->words)
		json_string(j, "word", word_of(p, value));
	json_uint(j, "default", p->def);
	if (p->boot)
		json_string(j, "default_from", p->boot);
	json_uint(j, "min", p->zero ? 0 : p->min);
	json_uint(j, "max", p->max);
	json_string(j, "bounds", p->bounds);
	json_string(j, "what", p->what);
	json_end(j);
}

/* Is it among the arguments, or are there none? */
static bool wanted(const struct gpreempt_param *p, char **names, int n)
{
	size_t len = strlen(p->name);
	int i;

	for (i = 0; i < n; i++)
		if (!strncmp(names[i], p->name, len) && (!names[i][len] || names[i][len] == '='))
			return true;
	return !n;
}

static int config_gpu(struct gpreempt *gp, const struct gpreempt_gpu *gpu, char **names, int n,
		      struct json *j)
{
	const struct gpreempt_param *p;
	int status = 0, i, r;
	uint64_t value;
	unsigned int k;

	for (i = 0; i < n; i++) {
		char *equals = strchr(names[i], '=');

		if (!equals)
			continue;
		*equals = 0;
		p = find_param(names[i]);
		*equals = '=';
		r = gpreempt_set(gp, gpu->gpu_id, p->name, parse_value(p, equals + 1));
		if (r) {
			warn("GPU %u: %s: %s", gpu->gpu_id, names[i],
			     gpreempt_explain(GPREEMPT_OP_SET, r));
			status = 1;
		}
	}
	if (j) {
		json_object(j, NULL);
		json_gpu(j, gpu);
		json_array(j, "parameters");
	}
	for (k = 0; (p = gpreempt_param(k)); k++) {
		if (!wanted(p, names, n))
			continue;
		r = gpreempt_get(gp, gpu->gpu_id, p->name, &value);
		if (r) {
			warn("GPU %u: %s: %s", gpu->gpu_id, p->name,
			     gpreempt_explain(GPREEMPT_OP_GET, r));
			status = 1;
		} else if (j) {
			json_param(j, p, value);
		} else {
			show(gpu, p, value);
		}
	}
	if (j) {
		json_end(j);
		json_end(j);
	}
	return status;
}

/* Wrong arguments are to change nothing, so they are looked at first */
static void check(char **names, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		char *equals = strchr(names[i], '=');

		if (equals)
			*equals = 0;
		if (equals)
			parse_value(find_param(names[i]), equals + 1);
		else
			find_param(names[i]);
		if (equals)
			*equals = '=';
	}
}

int cmd_config(int argc, char **argv)
{
	static const struct option options[] = {
		{ "gpu", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL },
	};
	const char *wanted_gpu = NULL;
	struct scan s = { .ngpus = 0 };
	bool json = false, matched = false;
	struct gpreempt *gp;
	int c, i, status = 0;
	struct json j;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'g')
			wanted_gpu = optarg;
		else if (c == 'j')
			json = true;
		else
			usage(NULL);
	}
	/* No parameter begins with a digit */
	if (!wanted_gpu && optind < argc && isdigit((unsigned char)*argv[optind]))
		wanted_gpu = argv[optind++];
	check(argv + optind, argc - optind);

	gp = open_or_die();
	scan_gpus(&s);
	for (i = 0; i < s.ngpus; i++)
		matched |= gpu_matches(&s.gpus[i], wanted_gpu);
	if (!matched)
		die("there is no GPU '%s': gpreempt config shows those that there are", wanted_gpu);

	if (json) {
		json_init(&j, stdout);
		json_object(&j, NULL);
		json_array(&j, "gpus");
	} else {
		printf("%6s %-14s %-12s %-8s %-28s %s\n", "GPU", "NAME", "VALUE", "DEFAULT",
		       "BOUNDS", "WHAT");
	}
	for (i = 0; i < s.ngpus; i++)
		if (gpu_matches(&s.gpus[i], wanted_gpu))
			status |= config_gpu(gp, &s.gpus[i], argv + optind, argc - optind,
					     json ? &j : NULL);
	if (json) {
		json_end(&j);
		json_end(&j);
	}
	scan_free(&s);
	gpreempt_close(gp);
	return status;
}
