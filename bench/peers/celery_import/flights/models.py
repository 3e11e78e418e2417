"""The file's columns, a primary key and two indexes: one on what identifies a flight, one to look planes up."""

from django.db import models


class Flight(models.Model):
    id = models.BigAutoField(primary_key=True)
    year = models.SmallIntegerField()
    month = models.SmallIntegerField()
    day = models.SmallIntegerField()
    dep_time = models.IntegerField(null=True)
    sched_dep_time = models.IntegerField()
    dep_delay = models.IntegerField(null=True)
    arr_time = models.IntegerField(null=True)
    sched_arr_time = models.IntegerField()
    arr_delay = models.IntegerField(null=True)
    carrier = models.TextField()
    flight = models.IntegerField()
    tailnum = models.TextField(null=True)
    origin = models.TextField()
    dest = models.TextField()
    air_time = models.IntegerField(null=True)
    distance = models.IntegerField()
    hour = models.SmallIntegerField()
    minute = models.SmallIntegerField()
    time_hour = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["time_hour", "carrier", "flight"]),
            models.Index(fields=["tailnum"]),
        ]
