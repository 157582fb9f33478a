// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "target.h"

const char list_help[] =
	"usage: gpreempt list [OPTION]...\n"
	"Shows the compute queues that the caller may preempt: his own, or with\n"
	"CAP_SYS_NICE all.\n\n"
	TARGET_HELP
	"  --json          one JSON object\n\n"
	"PRIO is the queue's own priority, 0 to 15; HOLDER keeps it off the GPU: monitor,\n"
	"ioctl (a program), or nobody (it comes back soon); TIMES counts preemptions;\n"
	"SINCE is the time since the last preemption or resume.\n";

int cmd_list(int argc, char **argv)
{
	static const struct option options[] = {
		TARGET_OPTIONS,
		{ "json", no_argument, NULL, 'j' },
		{ NULL },
	};
	struct target t = { .pid = 0 };
	struct scan s = { .ngpus = 0 };
	struct gpreempt *gp;
	bool json = false;
	struct json j;
	int c, r, i;
	size_t n;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (!target_option(&t, c, optarg))
			usage(NULL);
	}
	if (optind < argc)
		usage("what is '%s'?", argv[optind]);
	target_check(&t);

	gp = open_or_die();
	scan_gpus(&s);
	r = scan_queues(gp, &t, GPREEMPT_READ_PENDING | GPREEMPT_READ_WAVES, &s);
	if (r)
		die("%s", scan_error(&t, r));

	if (json) {
		json_init(&j, stdout);
		json_object(&j, NULL);
		json_array(&j, "gpus");
		for (i = 0; i < s.ngpus; i++) {
			struct gpreempt_counters counters;

			if (!gpu_matches(&s.gpus[i], t.gpu))
				continue;
			json_object(&j, NULL);
			json_gpu(&j, &s.gpus[i]);
			if (!gpreempt_counters(gp, s.gpus[i].gpu_id, &counters)) {
				json_uint(&j, "preemptions", counters.preemptions);
				json_uint(&j, "resumes", counters.resumes);
				json_uint(&j, "ticks", counters.ticks);
				json_uint(&j, "inversions", counters.inversions);
			}
			json_end(&j);
		}
		json_end(&j);
		json_array(&j, "queues");
		for (n = 0; n < s.nqueues; n++)
			json_queue(&j, &s.queues[n]);
		json_end(&j);
		json_end(&j);
	} else {
		print_queue_header(stdout);
		for (n = 0; n < s.nqueues; n++)
			print_queue(stdout, &s.queues[n]);
	}
	scan_free(&s);
	gpreempt_close(gp);
	return 0;
}
