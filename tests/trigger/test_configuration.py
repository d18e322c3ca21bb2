"""The configuration of a trigger: what cannot be is refused, what it says has one hash."""

import pytest
from pydantic import ValidationError

from eicpy.instruments import load
from eicpy.trigger import CountRateSettings, ImageSettings, TriggerConfiguration, Zone


def test_bands_are_those_of_the_description_of_the_camera():
    assert TriggerConfiguration().bands == load("eclairs").energy.flight_bands


def test_time_scales_are_those_of_public_notices():
    configuration = TriggerConfiguration()
    assert [configuration.window(n) for n in (5, 8, 9, 10, 11)] == [0.32, 2.56, 5.12, 10.24, 20.48]
    assert [configuration.exposure(k) for k in (0, 4, 5, 6)] == [20.48, 327.68, 655.36, 1310.72]


def test_the_hash_follows_what_it_says():
    one = TriggerConfiguration()
    assert one.digest == TriggerConfiguration.model_validate_json(one.model_dump_json()).digest
    assert one.digest != TriggerConfiguration(alert_threshold=6.5).digest


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"bands": ((8, 5),)}, "holds no energy"),
        ({"bands": ()}, "at least 1"),
        ({"alert_threshold": 8.0}, "slew threshold 7.5 lies below"),
        ({"alert_threshold": -1.0}, "greater than 0"),
        ({"alert_threshold": float("nan")}, "alert_threshold"),
        ({"outburst": 0.5}, "greater than 1"),
        ({"count_rate": {"thresholds": (((5.0,),),)}}, "scales × bands × zones = (12, 4, 9)"),
        ({"image": {"thresholds": ((7.0,),)}}, "stacks × bands = (7, 4)"),
        ({"count_rate": {"scales": (12,)}}, "less than or equal to 11"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_is_refused(entries, says):
    with pytest.raises(ValidationError) as error:
        TriggerConfiguration.model_validate(entries)
    assert says in str(error.value)


def test_a_zone_holds_pixels():
    with pytest.raises(ValidationError, match="holds no pixel"):
        Zone(name="none", y=(40, 40))


def test_tables_of_thresholds_that_fit_are_taken():
    table = tuple(tuple((6.0,) * 9 for _ in range(4)) for _ in range(12))
    image = tuple((7.0,) * 4 for _ in range(7))
    kept = TriggerConfiguration(
        count_rate=CountRateSettings(thresholds=table), image=ImageSettings(thresholds=image)
    )
    assert kept.count_rate.thresholds[11][3][8] == 6.0
