// How a writer opens a tape: control page, lock, recovery, epoch. Part of writer.hpp.
#pragma once
#include <filesystem>

namespace tapewire::tape {

inline Status Writer::open_or_fail(const char* dir, const Options& options) {
    dir_ = dir;
    while (dir_.size() > 1 && dir_.back() == '/') dir_.pop_back();
    const size_t slash = dir_.rfind('/');
    name_ = !options.name.empty() ? options.name : slash == std::string::npos ? dir_ : dir_.substr(slash + 1);
    recovery_ = {};
    if (name_.size() >= NAME_ROOM || name_.find('\0') != std::string::npos)
        return failure_.set(Status::bad_options, "%s: a tape's name has at most %zu bytes, this one %zu", dir, NAME_ROOM - 1, name_.size());
    if (options.segment_bytes && !segment_bytes_ok(options.segment_bytes))
        return failure_.set(Status::bad_options, "%s: segments of %llu bytes; expected a multiple of 4096 from %llu to %llu", dir,
                            (unsigned long long)options.segment_bytes, (unsigned long long)SEGMENT_MIN, (unsigned long long)SEGMENT_MAX);
    if (Status s = open_control(options); s != Status::ok) return s;
    if (Status s = recover(options); s != Status::ok) return s;
    return take_over(options);
}

inline Status Writer::open_control(const Options& options) {
    std::error_code failed;
    if (options.create && std::filesystem::create_directories(dir_, failed); failed)
        return errno = failed.value(), failure_.system(dir_, "cannot make the tape's folder");
    if (control_.open(dir_, failure_) == Status::missing && options.create) {
        failure_.clear();
        if (Control::create(dir_, name_, failure_) != Status::ok || control_.open(dir_, failure_) != Status::ok) return failure_.status;
    }
    if (failure_) return failure_.status;
    if (!control_.writable()) return errno = EACCES, failure_.system(Control::path_in(dir_), "cannot write the control page");
    if (!control_.take_writer_lock())
        return failure_.set(Status::fenced, "%s: another writer has this tape open: process %u, epoch %llu. A tape has one; stop that one first", dir_.c_str(),
                            control_.page->pid.load(std::memory_order_relaxed), (unsigned long long)control_.page->epoch.load(std::memory_order_relaxed));
    const char* kept = control_.page->identity.name;
    if (!options.name.empty() && options.name != kept)
        return failure_.set(Status::bad_options, "%s: this tape is called %s, not %s", dir_.c_str(), kept, options.name.c_str());
    name_ = kept;
    return Status::ok;
}

inline Status Writer::recover(const Options& options) {
    ControlPage& page = *control_.page;
    ::unlink((dir_ + BLANK_NAME).c_str());
    std::vector<uint64_t> firsts;
    if (!list_segments(dir_, firsts)) return failure_.system(dir_, "cannot list the tape's folder");
    flags_ = options.durability == Durability::disk ? FLAG_DISK : 0;
    const Positions marks = control_.positions();
    segment_epoch_ = std::max(page.epoch.load(std::memory_order_relaxed), options.epoch_above) + 1;
    if (firsts.empty()) {
        if (marks.written_seq || marks.durable_seq)
            return failure_.damage(segment_path(dir_, 1), 0, 1, "the control page knows of " + std::to_string(marks.written_seq) + " records, but there is no segment");
        recovery_.created = true;
        segment_bytes_ = options.segment_bytes ? options.segment_bytes : SEGMENT_DEFAULT;
        next_seq_ = 1;
        return prepare_next(failure_) && start_segment(0) ? Status::ok : failure_.status;
    }
    uint64_t base, end;
    if (check_older(dir_, firsts, name_.c_str(), base, failure_) != Status::ok) return failure_.status;
    if (segment_.open(dir_, firsts.back(), true, name_.c_str(), failure_) != Status::ok) return failure_.status;
    if (firsts.size() > 1 && segment_.base != base) return failure_.damage(segment_.path, 0, firsts.back(), "a segment before this one is missing");
    const bool same_boot = page.boot == this_boot() && page.boot != BootId{};
    if (recover_last(segment_, marks, same_boot, recovery_, end, failure_) != Status::ok) return failure_.status;
    segment_bytes_ = options.segment_bytes ? options.segment_bytes : segment_.bytes;
    segment_epoch_ = std::max(segment_epoch_, segment_.epoch + 1);
    next_seq_ = recovery_.last_seq + 1;
    if (disk()) ::munmap(std::exchange(segment_.data, nullptr), segment_.bytes);
    go_on_at(end);
    return Status::ok;
}

// Everything that was found is durable by now (recovery syncs it): all three marks stand at its end.
inline Status Writer::take_over(const Options& options) {
    ControlPage& page = *control_.page;
    const Mark end{position(), next_seq_ - 1};
    recovery_.position = end.position, recovery_.last_seq = end.seq;
    batch_first_ = next_seq_;
    batch_at_ = end.position;
    page.written.store(end), page.durable.store(end), page.released.store(end);
    page.epoch.store(segment_epoch_, std::memory_order_relaxed);
    page.segment_bytes.store(segment_bytes_, std::memory_order_relaxed);
    page.boot = this_boot();
    page.durability.store(uint32_t(options.durability), std::memory_order_relaxed);
    page.pid.store(uint32_t(::getpid()), std::memory_order_relaxed);
    if (!control_.flush()) return failure_.system(Control::path_in(dir_), "cannot sync the control page");
    control_.ring();
    return Status::ok;
}

}  // namespace tapewire::tape
