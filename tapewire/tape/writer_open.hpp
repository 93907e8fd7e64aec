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
    return check_hosts();
}

// Of several hosts that have this tape, one writes.
inline Status Writer::check_hosts() {
    const ControlPage& page = *control_.page;
    const uint64_t fence = page.fence.load(), grant = page.grant.load(), epoch = page.epoch.load();
    if (fence)
        return failure_.set(Status::fenced, "%s: fenced: epoch %llu was taken by another host, which writes this tape now. Start this host's replica with the tape among "
                            "replica.mirror, and the engine with --standby", dir_.c_str(), (unsigned long long)fence);
    if (page.mirror.load() && grant <= epoch)
        return failure_.set(Status::fenced, "%s: this is a mirror of a tape that another host writes. Start the engine with --standby; `tapewire promote` lets it take over", dir_.c_str());
    return Status::ok;
}

inline Status Writer::recover(const Options& options) {
    ControlPage& page = *control_.page;
    ::unlink((dir_ + BLANK_NAME).c_str());
    std::vector<uint64_t> firsts;
    if (!list_segments(dir_, firsts)) return failure_.system(dir_, "cannot list the tape's folder");
    flags_ = options.durability == Durability::memory ? 0 : FLAG_DISK;
    replicated_ = options.durability == Durability::replicated;
    const Positions marks = control_.positions();
    segment_epoch_ = std::max({page.epoch.load(std::memory_order_relaxed) + 1, page.grant.load(std::memory_order_relaxed), options.epoch_above + 1});
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

// Replicated: what of the tape other hosts hold is not for the writer to say, only that it cannot be more than there is.
// Where that changes hands, nobody else may be storing it.
inline Status Writer::set_released(const Options& options, Mark end, Mark shown) {
    ControlPage& page = *control_.page;
    const bool was = page.durability.load(std::memory_order_relaxed) == uint32_t(Durability::replicated);
    const bool keep = replicated_ && page.released.load().position <= end.position;
    if (keep) return Status::ok;
    if ((was || replicated_) && !control_.take_release_lock())
        return failure_.set(Status::fenced, "%s: the replica's sender releases the records of this tape, which was replicated and is opened as %s. Stop `tapewire replica` first, "
                            "start it again afterwards", dir_.c_str(), options.durability == Durability::memory ? "memory" : options.durability == Durability::disk ? "disk" : "replicated, but shorter");
    page.released.store(shown);
    return Status::ok;
}

// Everything that was found is durable by now (recovery syncs it): the marks stand at its end. Held, those that others
// read by stay where the last writer had put them: behind them may be the beginning of a batch that it never finished.
inline Status Writer::take_over(const Options& options) {
    ControlPage& page = *control_.page;
    const Mark end{position(), next_seq_ - 1};
    recovery_.position = end.position, recovery_.last_seq = end.seq;
    batch_first_ = next_seq_;
    batch_at_ = end.position;
    const bool same_boot = page.boot == this_boot() && page.boot != BootId{};
    const Mark durable = options.hold ? earlier(page.durable.load(), end) : end;
    const Mark shown = options.hold && same_boot ? earlier(page.released.load(), end) : durable;
    page.written.store(end), page.durable.store(durable);
    if (Status s = set_released(options, end, shown); s != Status::ok) return s;
    page.epoch.store(segment_epoch_, std::memory_order_relaxed);
    page.segment_bytes.store(segment_bytes_, std::memory_order_relaxed);
    page.boot = this_boot();
    page.durability.store(uint32_t(options.durability), std::memory_order_relaxed);
    page.mirror.store(0, std::memory_order_relaxed);
    control_.drop_release_lock();
    page.pid.store(uint32_t(::getpid()), std::memory_order_relaxed);
    if (!control_.flush()) return failure_.system(Control::path_in(dir_), "cannot sync the control page");
    control_.ring();
    return Status::ok;
}

}  // namespace tapewire::tape
