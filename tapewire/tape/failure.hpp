// What can go wrong with a tape, said once: a status to decide by, and a message that says what, where and what to do.
#pragma once
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace tapewire::tape {

enum class Status : int {
    ok = 0,
    missing,      // no tape there (yet)
    fenced,       // another live writer holds the tape
    damaged,      // a checksum or a sequence does not hold; path, offset and seq say where
    full,         // the disk has no room; nothing committed is affected, try again when there is room
    io,           // the operating system refused
    bad_options,  // asked for something a tape cannot be
    bad_version,  // a tape of another version of Tapewire
    too_long,     // the message, or the batch, is longer than the bound
    gone,         // the record was removed by retention
    beyond_end,   // the record is not on the tape yet
    closed,       // not open, or given up after a failed sync
};

struct Failure {
    Status status = Status::ok;
    std::string message;
    std::string path;     // of the segment, where one is meant
    uint64_t offset = 0;  // bytes from the segment's start
    uint64_t seq = 0;     // the record expected there
    std::string found;    // what was there instead

    explicit operator bool() const { return status != Status::ok; }
    void clear() { *this = {}; }

    __attribute__((format(printf, 3, 4))) Status set(Status s, const char* pattern, ...) {
        va_list arguments;
        va_start(arguments, pattern);
        char text[1024];
        std::vsnprintf(text, sizeof text, pattern, arguments);
        va_end(arguments);
        clear();
        status = s;
        message = text;
        return s;
    }

    // From errno. No room is a state of the world, not a fault, and has a status of its own.
    Status system(const std::string& where, const char* what) {
        const int code = errno;
        const bool no_room = code == ENOSPC || code == EDQUOT || code == EFBIG;
        return set(no_room ? Status::full : Status::io, "%s: %s: %s", where.c_str(), what, std::strerror(code));
    }

    Status damage(const std::string& where, uint64_t at, uint64_t expected_seq, const std::string& what) {
        set(Status::damaged, "%s: damaged at byte %llu (record %llu): %s", where.c_str(), (unsigned long long)at,
            (unsigned long long)expected_seq, what.c_str());
        path = where, offset = at, seq = expected_seq, found = what;
        return status;
    }
};

}  // namespace tapewire::tape
