"""The mathematics of matching: cells that hide, buckets that agree, points that add up."""

import math
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.matching.age import age_on, latest_birth
from handlers.matching.cells import EARTH_KM, Cell
from handlers.matching.distance import EDGES, bucket, round_up
from handlers.matching.score import NEAR, points

LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


def kilometres(one, other):
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return EARTH_KM * math.acos(max(-1.0, min(1.0, dot)))


@settings(derandomize=True, max_examples=300)
@given(LATITUDES, LONGITUDES, st.sampled_from([1, 4, 16]))
def test_a_cell_is_found_again_by_its_id_and_by_its_middle(lat, lon, edge):
    cell = Cell.at(lat, lon, edge)
    assert Cell.of_id(cell.id) == cell
    assert Cell.at(*cell.centre, edge) == cell
    assert cell.id < 2**37


@settings(derandomize=True, max_examples=300)
@given(st.floats(-80, 80), LONGITUDES, st.sampled_from([1, 4, 16]))
def test_nobody_is_farther_from_the_middle_than_half_a_diagonal(lat, lon, edge):
    here = math.radians(lat), math.radians(lon)
    exact = math.cos(here[0]) * math.cos(here[1]), math.cos(here[0]) * math.sin(here[1]), math.sin(here[0])
    assert kilometres(exact, Cell.at(lat, lon, edge).vector) <= edge * math.sqrt(2) / 2 * 1.02 + 1e-6


def test_cells_have_the_same_area_in_oslo_and_in_quito():
    for lat in (0.0, 30.0, 48.85, 59.91, 69.6):
        cell = Cell.at(lat, 10.0)
        beside = Cell(cell.edge, cell.row, cell.column + 1)
        above = Cell(cell.edge, cell.row + 1, cell.column)
        width = kilometres(cell.vector, beside.vector)
        height = math.radians(above.centre[0] - cell.centre[0]) * EARTH_KM
        assert width * height == pytest.approx(1, rel=0.005)


@settings(derandomize=True, max_examples=500)
@given(LATITUDES, LONGITUDES)
def test_a_finer_cell_lies_whole_in_a_coarser_one(lat, lon):
    """A border never cuts a sliver off a cell: its corners, and whoever is in it, are in one cell of each edge."""
    fine, middle, coarse = (Cell.at(lat, lon, edge) for edge in (1, 4, 16))
    assert Cell.at(*fine.centre, 4) == middle
    assert Cell.at(*middle.centre, 16) == Cell.at(*fine.centre, 16) == coarse
    beside = fine._replace(column=fine.column + 1)
    half = (beside.centre[1] - fine.centre[1]) / 2 * 0.999
    for side in (-half, half):
        assert Cell.at(fine.centre[0], fine.centre[1] + side, 16) == coarse


@settings(derandomize=True, max_examples=300)
@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES, st.integers(0, 200_000))
def test_how_fine_the_grid_is_depends_on_the_towns_around_the_cell_of_16_km_alone(
    lat, lon, other_lat, other_lon, people
):
    asked = []

    def population(*where):
        asked.append(where)
        return people

    cell = Cell.around(lat, lon, population)
    assert cell == Cell.at(lat, lon, cell.edge)
    assert cell.edge == (1 if people >= 100_000 else 4 if people else 16)
    assert asked == [(*Cell.at(lat, lon, 16).centre, 16)]
    if Cell.at(other_lat, other_lon, 16) == Cell.at(lat, lon, 16):
        assert Cell.around(other_lat, other_lon, population).edge == cell.edge
    everywhere = {Cell.around(*Cell.at(lat, lon, edge).centre, population).edge for edge in (1, 4, 16)}
    assert everywhere == {cell.edge}


def test_the_edges_of_the_earth_have_cells():
    for lat in (-90.0, 90.0, -0.0):
        for lon in (-180.0, 180.0, 0.0):
            assert Cell.of_id(Cell.at(lat, lon).id) == Cell.at(lat, lon)
    assert Cell.at(10, 180) == Cell.at(10, -180)


def touching(cell):
    """The cells around one, found just across its border; those of the next rows need not stand in line."""
    north = 180 / math.pi / EARTH_KM * cell.edge
    east = north / math.cos(math.radians(cell.centre[0]))
    steps = [-0.5001, -0.25, 0, 0.25, 0.5001]
    around = [(up, right) for up in steps for right in steps if max(abs(up), abs(right)) > 0.5]
    return {Cell.at(cell.centre[0] + up * north, cell.centre[1] + right * east, cell.edge) for up, right in around}


def test_who_is_in_the_next_cell_is_within_a_kilometre():
    rng = Random(1)
    for _ in range(500):
        cell = Cell.at(rng.uniform(-70, 70), rng.uniform(-179, 179))
        assert {bucket(cell.vector, other.vector) for other in touching(cell)} == {1}, cell


def test_who_is_in_the_next_larger_cell_is_as_far_as_the_middles_are():
    """The same cell is 1, whatever its size; of neighbours no more is told than that they are about an edge apart."""
    rng = Random(4)
    for edge, buckets in ((4, {5, 10}), (16, {20, 50})):
        for _ in range(100):
            cell = Cell.at(rng.uniform(-70, 70), rng.uniform(-179, 179), edge)
            assert bucket(cell.vector, cell.vector) == 1
            assert {bucket(cell.vector, other.vector) for other in touching(cell) - {cell}} <= buckets, cell


def test_buckets_are_symmetric_and_grow_with_distance():
    rng = Random(2)
    for _ in range(500):
        one = Cell.at(rng.uniform(-90, 90), rng.uniform(-180, 180)).vector
        other = Cell.at(rng.uniform(-90, 90), rng.uniform(-180, 180)).vector
        edge = bucket(one, other)
        assert edge == bucket(other, one)
        assert kilometres(one, other) <= edge + 16
        lower = max([0, *(e for e in EDGES if e < edge)])
        assert kilometres(one, other) > lower - 1e-6 or edge in (1, 2)


def test_known_cities():
    paris, lyon, new_york = Cell.at(48.8566, 2.3522), Cell.at(45.764, 4.8357), Cell.at(40.7128, -74.006)
    assert bucket(paris.vector, lyon.vector) == 500
    assert bucket(paris.vector, new_york.vector) == 20000
    assert bucket(paris.vector, None) is None


@pytest.mark.parametrize(("wished", "edge"), [(1, 1), (3, 5), (5, 5), (6, 10), (2001, 20000), (20000, 20000)])
def test_a_wish_is_rounded_up_to_an_edge(wished, edge):
    assert round_up(wished) == edge


def test_points_add_up_and_stay_between_0_and_1():
    for distance in (*EDGES, None):
        for common in (0, 1, 5, 20):
            for fame in (0, 4, 5, 100):
                for age in (18, 30, 120, None):
                    parts = points(distance=distance, common_tags=common, fame=fame, age=age, own_age=30)
                    assert 0 <= parts.score <= 1
                    assert round(sum(parts.why.values()), 2) == parts.score
                    assert all(value == round(value, 2) for value in parts.why.values())
    assert set(NEAR) == set(EDGES)
    assert list(NEAR.values()) == sorted(NEAR.values(), reverse=True)


@settings(derandomize=True, max_examples=500)
@given(st.dates(date(1900, 1, 1), date(2030, 12, 31)), st.integers(0, 110))
def test_the_last_day_of_birth_for_an_age(today, age):
    latest = latest_birth(age, today)
    assert age_on(latest, today) >= age
    assert age_on(latest + timedelta(days=1), today) < age


def test_leap_days():
    assert age_on(date(2000, 2, 29), date(2018, 2, 28)) == 17
    assert age_on(date(2000, 2, 29), date(2018, 3, 1)) == 18
    assert age_on(date(2000, 2, 29), date(2020, 2, 29)) == 20
