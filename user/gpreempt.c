// SPDX-License-Identifier: GPL-2.0
/* gpreempt: list, hold, configure and trace what GPREEMPT preempts. See gpreempt(1). */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cmd.h"
#include "libgpreempt.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
	const char *what;
} commands[] = {
	{ "list", cmd_list, list_help, "show queues, who owns them, who holds them" },
	{ "top", cmd_top, top_help, "the same, again and again, with rates" },
	{ "preempt", cmd_preempt, preempt_help, "take queues off the GPU and hold them" },
	{ "resume", cmd_resume, resume_help, "end what preempt --detach holds" },
	{ "config", cmd_config, config_help, "show and set parameters of the monitor" },
	{ "trace", cmd_trace, trace_help, "print preemptions as they happen, and a summary" },
#ifdef HAVE_DECODE
	{ "decode", cmd_decode, decode_help, "say what a recorded state means" },
#endif
};

#define NUM_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const char *running = "";

bool to_syslog;

static void complain(const char *format, va_list args)
{
	if (to_syslog) {
		vsyslog(LOG_DAEMON | LOG_WARNING, format, args);
		return;
	}
	fflush(stdout);
	fprintf(stderr, "gpreempt%s%s: ", *running ? " " : "", running);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	exit(1);
}

void usage(const char *format, ...)
{
	va_list args;

	if (format) {
		va_start(args, format);
		complain(format, args);
		va_end(args);
	}
	fprintf(stderr, "'gpreempt%s%s --help' says more\n", *running ? " " : "", running);
	exit(EXIT_USAGE);
}

static void print_help(void)
{
	size_t i;

	fputs("usage: gpreempt COMMAND [OPTION]...\n"
	      "Priority preemption of AMD GPU compute queues. Commands:\n\n", stdout);
	for (i = 0; i < NUM_COMMANDS; i++)
		printf("  %-10s%s\n", commands[i].name, commands[i].what);
	fputs("\n'gpreempt COMMAND --help' says more of each; gpreempt(1) says all.\n"
	      "'gpreempt --version' prints the version.\n", stdout);
}

/* What comes after "--" is another program's */
static bool wants_help(char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++)
		if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h"))
			return true;
	return false;
}

/* Who reads only half of it is to know */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		warn("cannot write the output: %m");
		return status ? status : 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		usage("which command?");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help();
		return finish(0);
	}
	if (!strcmp(argv[1], "--version")) {
		printf("gpreempt %s\n", gpreempt_version());
		return finish(0);
	}
	for (i = 0; i < NUM_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			break;
	if (i == NUM_COMMANDS)
		usage("there is no command '%s'", argv[1]);
	running = commands[i].name;
	if (wants_help(argv + 2)) {
		fputs(commands[i].help, stdout);
		return finish(0);
	}
	return finish(commands[i].run(argc - 1, argv + 1));
}
