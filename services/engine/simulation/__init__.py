"""A simulated exchange: the real engine core in this process, on a time that is given.

    simulate(strategy, tape, folder, …)    a strategy in the market of a recorded tape; what happened is a tape, too

Nothing of the engine is imitated: risk, sequencer, matcher and tape are those of the service, stepped by hand.
"""

from services.engine.simulation.exchange import SimulatedExchange
from services.engine.simulation.run import Simulation, SimulationSettings, simulate

__all__ = ["SimulatedExchange", "Simulation", "SimulationSettings", "simulate"]
