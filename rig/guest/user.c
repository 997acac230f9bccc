// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command as somebody who is not root:
 *
 *	user UID COMMAND...
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int uid;

	if (argc < 3) {
		fprintf(stderr, "usage: user UID COMMAND...\n");
		return 2;
	}
	uid = atoi(argv[1]);
	if (setgroups(0, NULL) || setgid(uid) || setuid(uid)) {
		perror("setuid");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
