from __future__ import annotations

import random

import pytest

from tapewire.views.holding import AMENDABLE, TAKER, Filled, Holding


def held(fills: list[Filled]) -> Holding:
    holding = Holding(1, 1)
    for one in fills:
        holding.fill(one)
    return holding


def standing(holding: Holding) -> tuple[int, int, int]:
    return holding.net, holding.cost, holding.realised


def buy(match: int, price: int, qty: int) -> Filled:
    return Filled(match, TAKER, True, price, qty)


def sell(match: int, price: int, qty: int) -> Filled:
    return Filled(match, TAKER, False, price, qty)


def random_fills(seed: int, n: int) -> list[Filled]:
    pick = random.Random(seed)
    return [Filled(i, TAKER, pick.random() < 0.5, pick.randint(90, 110), pick.randint(1, 9)) for i in range(n)]


def test_what_is_sold_is_realised_against_the_average_of_what_was_bought() -> None:
    holding = held([buy(1, 100, 10), buy(2, 110, 10), sell(3, 120, 5)])
    assert standing(holding) == (15, 1575, 75)
    assert holding.average == (1575, 15)
    assert holding.unrealised(100) == -75


def test_a_position_that_goes_through_zero_begins_anew_at_its_price() -> None:
    holding = held([buy(1, 100, 10), sell(2, 90, 25)])
    assert standing(holding) == (-15, 1350, -100)
    assert holding.unrealised(80) == 150


def test_a_share_that_is_no_whole_unit_stays_in_the_cost() -> None:
    holding = held([buy(1, 10, 1), buy(2, 11, 2), sell(3, 11, 1)])
    assert standing(holding) == (2, 22, 1)
    holding.fill(sell(4, 11, 2))
    assert standing(holding) == (0, 0, 1)


@pytest.mark.parametrize("back", [1, 100, AMENDABLE])
def test_a_bust_within_reach_is_as_if_the_fill_had_never_been(back: int) -> None:
    fills = random_fills(back, 5 * AMENDABLE + 17)
    holding = held(fills)
    holding.amend(fills[-back], None)
    never = held([*fills[: len(fills) - back], *fills[len(fills) - back + 1 :]])
    assert standing(holding) == standing(never)
    assert (holding.bought, holding.sold, holding.fills) == (never.bought, never.sold, never.fills)


def test_a_correction_is_as_if_it_had_been_so_from_the_beginning() -> None:
    fills = random_fills(7, 3 * AMENDABLE)
    holding, at = held(fills), len(fills) - 50
    now = fills[at]._replace(price=200, qty=77)
    holding.amend(fills[at], now)
    assert standing(holding) == standing(held([*fills[:at], now, *fills[at + 1 :]]))
    holding.amend(now, None)
    assert standing(holding) == standing(held([*fills[:at], *fills[at + 1 :]]))


def test_a_bust_out_of_reach_leaves_net_position_and_total_profit_right() -> None:
    fills = random_fills(3, 5 * AMENDABLE)
    holding = held(fills)
    holding.amend(fills[2], None)
    never = held([*fills[:2], *fills[3:]])
    assert (holding.net, holding.bought, holding.sold) == (never.net, never.bought, never.sold)
    assert holding.realised + holding.unrealised(123) == never.realised + never.unrealised(123)


def test_what_is_kept_for_busts_has_a_bound() -> None:
    holding = held(random_fills(1, 10 * AMENDABLE))
    assert AMENDABLE <= holding.amendable <= 2 * AMENDABLE
    holding.forget()
    assert holding.amendable == 0


def test_a_restored_holding_can_be_busted_as_before() -> None:
    fills = random_fills(9, 3 * AMENDABLE)
    holding = held(fills)
    again = Holding.restored(holding.kept())
    for one in (holding, again):
        one.amend(fills[-200], None)
    assert again.kept() == holding.kept()
