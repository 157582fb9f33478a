/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands of gpreempt share. */
#ifndef CMD_H
#define CMD_H

#include "json.h"

#define EXIT_USAGE	2

/*
 * One for each command, with its help, in a file of its own. argv[0] is the
 * name of the command. What is returned is the exit status: 0, 1 after an error
 * that was said, EXIT_USAGE for wrong arguments. main() answers --help.
 */
int cmd_config(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_preempt(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);

extern const char config_help[];
extern const char decode_help[];
extern const char list_help[];
extern const char preempt_help[];
extern const char resume_help[];
extern const char top_help[];
extern const char trace_help[];

/* To stderr, after "gpreempt COMMAND: " */
__attribute__((format(printf, 1, 2)))
void warn(const char *format, ...);

/* The same, and exit status 1 */
__attribute__((format(printf, 1, 2), noreturn))
void die(const char *format, ...);

/* The same, where --help is, and EXIT_USAGE. NULL if getopt has said what is wrong. */
__attribute__((format(printf, 1, 2), noreturn))
void usage(const char *format, ...);

/* What warn() and die() say goes to the system's log instead */
extern bool to_syslog;

#endif
