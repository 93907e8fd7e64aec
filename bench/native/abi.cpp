// Measures what the C library costs on top of the matcher it is made of; prints one JSON object per line. Built and read
// by bench/abi.py.
//
//   abi TAPE FILLED      TAPE: the flow of bench/native/matcher.cpp as flat commands, of which FILLED only fill the book
//
// The same commands go through the library, one call each (the short way, then with every field), and through the matcher
// itself, one command at a time. All three keep every event, and let 256 commands' worth gather before they are forgotten.
// Commands are in the cache when they are played, as a caller's own would be; preparing them is not measured.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "include/tapewire/book.h"
#include "services/matcher/batch.hpp"

namespace wire = tapewire::wire;
using tapewire::matcher::EventBuffer;
using tapewire::matcher::Matcher;

namespace {

constexpr size_t BATCH = 256, BLOCK = 1024;
constexpr int RUNS = 5;

int64_t cpu_ns() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

struct Call {
    wire::MessageType type;
    tw_new_order order;
    tw_cancel_order cancel;
    tw_replace_order replace;
};

Call call_of(const uint8_t* command) {
    Call call{};
    call.type = wire::header(command).type;
    if (call.type == wire::MessageType::new_order) {
        const auto& m = *reinterpret_cast<const wire::NewOrder*>(command);
        call.order.order_id = m.order_id, call.order.cl_ord_id = m.cl_ord_id, call.order.price = m.price, call.order.qty = m.qty;
        call.order.instrument = m.header.instrument, call.order.account = m.account, call.order.side = uint16_t(m.side);
        call.order.ord_type = uint16_t(m.ord_type), call.order.time_in_force = uint16_t(m.time_in_force);
    } else if (call.type == wire::MessageType::cancel_order) {
        const auto& m = *reinterpret_cast<const wire::CancelOrder*>(command);
        call.cancel = {m.order_id, m.cl_ord_id, m.account};
    } else {
        const auto& m = *reinterpret_cast<const wire::ReplaceOrder*>(command);
        call.replace = {m.order_id, m.cl_ord_id, m.price, m.qty, m.stop_px, m.account};
    }
    return call;
}

struct Short {
    static void play(tw_book* book, const Call& c) {
        if (c.type == wire::MessageType::new_order) tw_book_new(book, c.order.instrument, c.order.order_id, c.order.side, c.order.price, c.order.qty);
        else if (c.type == wire::MessageType::cancel_order) tw_book_cancel(book, c.cancel.order_id);
        else tw_book_replace(book, c.replace.order_id, c.replace.price, c.replace.qty);
    }
};

struct Whole {
    static void play(tw_book* book, const Call& c) {
        if (c.type == wire::MessageType::new_order) tw_book_new_order(book, &c.order);
        else if (c.type == wire::MessageType::cancel_order) tw_book_cancel_order(book, &c.cancel);
        else tw_book_replace_order(book, &c.replace);
    }
};

class Bench {
  public:
    Bench(std::vector<uint8_t> tape, size_t filled) : tape_(std::move(tape)), filled_(filled) {
        for (size_t at = 0; at < tape_.size(); at += length(tape_.data() + at)) commands_.push_back(tape_.data() + at);
    }

    // All ways in turn, so that what else the machine does meets each.
    void all() {
        std::vector<double> itself, limits, fields;
        for (int run = 0; run < RUNS; ++run) {
            itself.push_back(native());
            limits.push_back(library<Short>());
            fields.push_back(library<Whole>());
        }
        print("the matcher itself", itself);
        print("the C library, the short way", limits);
        print("the C library, every field", fields);
    }

  private:
    template <class Way>
    double library() {
        tw_book* book = tw_book_create(0);
        size_t i = 0;
        for (; wire::header(commands_[i]).type == wire::MessageType::instrument_definition; ++i)
            tw_book_open(book, wire::header(commands_[i]).instrument, reinterpret_cast<const wire::InstrumentDefinition*>(commands_[i])->tick_size, 1);
        for (; i < filled_; ++i) Way::play(book, call_of(commands_[i]));
        const double ns = blocks([&](size_t from, size_t n) {
            calls_.clear();
            for (size_t k = 0; k < n; ++k) calls_.push_back(call_of(commands_[from + k]));
        }, [&](size_t n) {
            for (size_t k = 0; k < n; ++k) {
                if (k % BATCH == 0) tw_book_clear(book);
                Way::play(book, calls_[k]);
            }
        });
        same(tw_book_order_count(book), tw_book_next_match_id(book) - 1);
        tw_book_destroy(book);
        return ns;
    }

    double native() {
        std::vector<uint8_t> room(BLOCK * sizeof(wire::InstrumentDefinition));
        std::vector<const uint8_t*> block(BLOCK);
        Matcher matcher;
        EventBuffer events;
        const auto apply = [&](const uint8_t* command) {
            events.command(wire::header(command));
            matcher.apply(command, events);
        };
        for (size_t i = 0; i < filled_; ++i) apply(commands_[i]);
        const double ns = blocks([&](size_t from, size_t n) {
            uint8_t* to = room.data();
            for (size_t k = 0; k < n; ++k) {
                block[k] = static_cast<const uint8_t*>(std::memcpy(to, commands_[from + k], length(commands_[from + k])));
                to += length(block[k]);
            }
        }, [&](size_t n) {
            for (size_t k = 0; k < n; ++k) {
                if (k % BATCH == 0) events.clear();
                apply(block[k]);
            }
        });
        same(matcher.live_orders(), matcher.next_match_id() - 1);
        return ns;
    }

    // Every run must have come to the same book.
    void same(uint64_t live, uint64_t matches) {
        if (matches_ && (live != live_ || matches != matches_)) std::printf("two runs differ\n"), std::exit(1);
        live_ = live, matches_ = matches;
    }

    static size_t length(const uint8_t* message) { return 8 + 8 * (wire::load64(message) >> 32); }

    // CPU ns per message: `prepare` some, `play` them, and only the latter counts.
    template <class Prepare, class Play>
    double blocks(Prepare&& prepare, Play&& play) {
        int64_t spent = 0;
        for (size_t i = filled_; i < commands_.size(); i += BLOCK) {
            const size_t n = std::min(BLOCK, commands_.size() - i);
            prepare(i, n);
            const int64_t start = cpu_ns();
            play(n);
            spent += cpu_ns() - start;
        }
        return double(spent) / double(commands_.size() - filled_);
    }

    void print(const char* name, std::vector<double>& ns) const {
        std::sort(ns.begin(), ns.end());
        std::printf("{\"name\": \"%s\", \"messages\": %zu, \"ns\": %.3f, \"ns_min\": %.3f, \"ns_max\": %.3f, \"live\": %llu, \"matches\": %llu}\n",
                    name, commands_.size() - filled_, ns[RUNS / 2], ns.front(), ns.back(), static_cast<unsigned long long>(live_),
                    static_cast<unsigned long long>(matches_));
    }

    std::vector<uint8_t> tape_;
    size_t filled_;
    std::vector<const uint8_t*> commands_;
    std::vector<Call> calls_;
    uint64_t live_ = 0, matches_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::printf("usage: abi TAPE FILLED\n"), 2;
    std::ifstream file(argv[1], std::ios::binary);
    Bench(std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {}), std::strtoull(argv[2], nullptr, 10)).all();
}
