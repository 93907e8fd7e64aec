// What a writer makes of the tape it finds. Only the last segment is read through; of the older ones, header and place.
//
// The last segment is scanned from its start. Where the first frame does not hold (byte o, position p, record d):
//
//   |     | found at o                                                    | outcome                                  |
//   |-----|---------------------------------------------------------------|------------------------------------------|
//   | (a) | zeros to the end of the segment, and p >= every mark below    | clean end                                |
//   | (b) | p < `written` in the control page, of this boot               | damage: refused. A killed process cannot |
//   |     |                                                               | tear what it had published               |
//   | (b')| p < `durable` in the control page, of whatever boot           | damage: refused. It had been synced      |
//   | (c) | further on a valid frame, flagged `disk`, whose batch began   | damage: refused. Before that batch was   |
//   |     | after d (seq - index > d)                                     | written, d had been synced               |
//   | (d) | anything else                                                 | torn tail: zeroed from o, reported       |
//   | (e) | the file is shorter or longer than its header says            | damage: refused. A segment gets its name |
//   |     |                                                               | only when it has its length on disk      |
//
// A header that does not hold, a segment missing between two others, another tape's segment: damage, refused.
// What (a) and (d) leave is a prefix of what was appended that holds everything published (same boot) or durable
// (any boot). It is synced before it is published. Records of a batch that was never published may be among it.
// Older segments were sealed with a sync before the next one got its name: damage in them is never a torn tail.
// Whoever reads them meets it (TapeDamaged with the offset); `verify` looks for it.
#pragma once
#include "tapewire/tape/segment.hpp"

namespace tapewire::tape {

struct Recovery {
    bool created = false;       // there was no tape
    uint64_t records = 0;       // read in the last segment
    uint64_t last_seq = 0;      // what the tape ends with, 0 = empty
    uint64_t position = 0;      // just past it
    uint64_t cut_position = 0;  // torn tail: where it began, how many bytes of it were not zero, which record was expected
    uint64_t cut_bytes = 0;     // 0: nothing was cut
    uint64_t cut_seq = 0;
    std::string cut_found;
};

// Walks the frames of one segment. It stops at padding (the segment is full), where nothing was written, or at a fault.
struct Walk {
    enum class Stop { none, padding, blank, fault };

    const uint8_t* data;
    uint64_t bytes;
    uint64_t at;   // offset of the next frame
    uint64_t seq;  // expected there

    Stop step(FrameHead& head) {
        const uint64_t room = bytes - at;
        if (room < HEAD) return Stop::fault;
        head = load_head(data + at);
        if (head.length == 0) return Stop::blank;
        if (!frame_ok(data + at, head, room)) return Stop::fault;
        if (head.flags & FLAG_PADDING) {
            at = bytes;
            return Stop::padding;
        }
        if (!message_agrees(data + at + HEAD, head, seq)) return Stop::fault;
        at += frame_bytes(head.length), ++seq;
        return Stop::none;
    }
};

// Rule (c): the seq of a record that proves that record `damaged` had been synced, or 0.
inline uint64_t proof_of_sync(const uint8_t* data, uint64_t bytes, uint64_t from, uint64_t damaged) {
    for (uint64_t at = from; at + frame_bytes(MESSAGE_MIN) <= bytes; at += 8) {
        const FrameHead head = load_head(data + at);
        if (head.length == 0 || !(head.flags & FLAG_DISK) || (head.flags & FLAG_PADDING) || !head_plausible(head, bytes - at)) continue;
        const uint64_t seq = wire::header(data + at + HEAD).seq;
        if (seq <= damaged || seq - head.index <= damaged || seq - damaged > bytes / frame_bytes(MESSAGE_MIN)) continue;
        if (frame_crc(data + at, head.length) == head.crc && message_agrees(data + at + HEAD, head, seq)) return seq;
    }
    return 0;
}

// Headers of all segments but the last, and that each begins where the one before it ends. `next_base`: where the last must begin.
inline Status check_older(const std::string& dir, const std::vector<uint64_t>& firsts, const char* name, uint64_t& next_base, Failure& failure) {
    next_base = 0;
    for (size_t i = 0; i + 1 < firsts.size(); ++i) {
        Segment segment;
        if (segment.open(dir, firsts[i], false, name, failure) != Status::ok) return failure.status;
        if (i && segment.base != next_base) return failure.damage(segment.path, 0, firsts[i], "a segment before this one is missing");
        next_base = segment.base + segment.bytes;
    }
    return Status::ok;
}

// Scans the last segment, repairs a torn tail, syncs. `end` receives the offset where the next frame goes.
// `synced`: each batch was synced before the next was written, which rule (c) goes by. Of a mirror it is not so.
inline Status recover_last(Segment& last, const Positions& marks, bool same_boot, Recovery& out, uint64_t& end, Failure& failure, bool synced = true) {
    Walk walk{last.data, last.bytes, FIRST_RECORD_AT, last.first_seq};
    FrameHead head{};
    Walk::Stop stop;
    while ((stop = walk.step(head)) == Walk::Stop::none) ++out.records;
    end = walk.at;
    out.last_seq = walk.seq - 1;
    out.position = last.base + end;
    const bool whole = stop == Walk::Stop::padding;
    const uint64_t promised = std::max(marks.durable, same_boot ? marks.written : 0);
    if (out.position < promised) {
        const bool durable = out.position < marks.durable;
        char text[200];
        std::snprintf(text, sizeof text, "%s, but the control page says that everything before position %llu was %s; this is position %llu",
                      whole ? "the tape ends here" : describe_fault(last.data + end, last.bytes - end, walk.seq).c_str(),
                      (unsigned long long)promised, durable ? "synced" : "published", (unsigned long long)out.position);
        return failure.damage(last.path, end, walk.seq, text);
    }
    if (!whole && !all_zero(last.data + end, last.bytes - end)) {
        const std::string found = describe_fault(last.data + end, last.bytes - end, walk.seq);
        if (const uint64_t proof = !synced ? 0 : proof_of_sync(last.data, last.bytes, end + 8, walk.seq)) {
            return failure.damage(last.path, end, walk.seq, found + "; record " + std::to_string(proof) + " after it is whole and was written only after a sync");
        }
        uint64_t used = last.bytes;
        while (used > end && last.data[used - 1] == 0) --used;
        out.cut_position = out.position, out.cut_bytes = used - end, out.cut_seq = walk.seq, out.cut_found = found;
        std::memset(last.data + end, 0, used - end);
    }
    if (::fdatasync(last.fd)) return failure.system(last.path, "cannot sync what was recovered");
    return Status::ok;
}

}  // namespace tapewire::tape
