#include "store/stored/picture.h"

#include <qrencode.h>

#include "base/mem.h"

void picture_put(struct msg *m, const char *text)
{
    QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    size_t side = q ? (size_t)q->width : 0;
    for (size_t i = 0; i < side * side; i++)
        q->data[i] &= 1;
    msg_put_u32(m, (uint32_t)side);
    msg_put_bytes(m, q ? q->data : (const unsigned char *)"", side * side);
    if (q)
        mem_wipe(q->data, side * side);
    QRcode_free(q);
}
