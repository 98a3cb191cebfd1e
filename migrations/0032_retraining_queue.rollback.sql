-- All of it: what 0033 adds is gone by now.
drop schema retraining cascade;
