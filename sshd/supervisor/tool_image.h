/* The tool's words on images. */
#ifndef SUPERVISOR_TOOL_IMAGE_H
#define SUPERVISOR_TOOL_IMAGE_H

struct client;

void tool_image(struct client *c);

#endif
