"""The pages, one module each: functions of the desk and the visit that give a page or move on."""
