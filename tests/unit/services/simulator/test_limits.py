from services.simulator.limits import MAX_CLIENTS, PerClient, Window


def test_a_window_slides() -> None:
    window = Window(3, 100)
    assert [window.take(0), window.take(50), window.take(60), window.take(99)] == [True, True, True, False]
    assert window.take(100)
    assert window.used(151) == 2


def test_units_that_do_not_fit_take_nothing() -> None:
    window = Window(10, 100)
    assert window.take(0, 8)
    assert not window.take(0, 3)
    assert window.take(0, 2)


def test_clients_have_windows_of_their_own_and_their_number_is_bounded() -> None:
    clients = PerClient(1, 100)
    assert clients.of("a").take(0)
    assert not clients.of("a").take(0)
    for number in range(MAX_CLIENTS):
        assert clients.of(str(number)).take(0)
    assert clients.of("a").take(0)  # longest unseen, so forgotten
