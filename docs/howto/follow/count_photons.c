/* Counts photons per pixel of the packets that come on standard input.
 *
 *   cc -O2 -o count_photons count_photons.c
 *   eic follow live -i eclairs --apid 810 --format raw | ./count_photons
 *
 * A packet begins with 6 bytes: version, type and APID; sequence flags and count; length of the rest less 1.
 * The photon packets of the eicpy reference layout for ECLAIRs then have a secondary header of 14 bytes,
 * 4 bytes of their own, a record of 8 bytes for each photon (time 32 bits, pixel 13, channel 10,
 * multiplicity 4, spare 5), and a checksum of 2 bytes. */
#include <stdio.h>

enum { HEADER = 6, PHOTON_APID = 810, FIRST_RECORD = 24, RECORD = 8, CHECKSUM = 2, PIXELS = 6400 };

static unsigned char packet[HEADER + 65536];
static unsigned long counts[PIXELS];

int main(void)
{
    unsigned long packets = 0, photons = 0, hit = 0;
    int brightest = 0;

    while (fread(packet, 1, HEADER, stdin) == HEADER) {
        unsigned apid = (packet[0] & 7u) << 8 | packet[1];
        size_t rest = ((size_t)packet[4] << 8 | packet[5]) + 1;
        if (packet[0] >> 5 != 0) {
            fprintf(stderr, "after %lu packets: no packet begins here\n", packets);
            return 1;
        }
        if (fread(packet + HEADER, 1, rest, stdin) != rest) {
            fprintf(stderr, "after %lu packets: the stream ends inside a packet\n", packets);
            return 1;
        }
        packets++;
        size_t end = HEADER + rest - CHECKSUM;
        if (apid != PHOTON_APID)
            continue;
        for (size_t at = FIRST_RECORD; at + RECORD <= end; at += RECORD) {
            unsigned pixel = (unsigned)packet[at + 4] << 5 | packet[at + 5] >> 3;
            if (pixel < PIXELS) {
                counts[pixel]++;
                photons++;
            }
        }
    }
    for (int pixel = 0; pixel < PIXELS; pixel++) {
        hit += counts[pixel] > 0;
        if (counts[pixel] > counts[brightest])
            brightest = pixel;
    }
    printf("%lu packets, %lu photons in %lu pixels, most in pixel %d: %lu\n", packets, photons, hit, brightest,
           counts[brightest]);
    return 0;
}
