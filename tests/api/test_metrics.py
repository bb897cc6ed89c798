import httpx

Headers = dict[str, str]


def value(http: httpx.Client, series: str) -> float:
    text = http.get("/metrics").text
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(series)), 0.0)


def test_metrics_are_prometheus_text_for_anyone(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE lirf_http_requests_total counter" in answer.text


def test_requests_are_counted_by_route_and_not_by_id(http: httpx.Client, admin: Headers) -> None:
    series = 'lirf_http_requests_total{method="GET",route="/jobs/{job_id}",status="404"}'
    before = value(http, series)
    for number in range(3):
        http.get(f"/jobs/job_unheard_of_{number}", headers=admin)
    assert value(http, series) == before + 3
    assert "job_unheard_of" not in http.get("/metrics").text


def test_predictions_are_counted_by_the_net_that_answered(
    http: httpx.Client, owner: Headers, model: str, data: str
) -> None:
    series = 'lirf_predictions_total{net="original"}'
    before = value(http, series)
    http.post("/predict", json={"model": model, "dataset": data, "indices": [0, 1, 2]}, headers=owner)
    assert value(http, series) == before + 3
    assert model not in http.get("/metrics").text


def test_batches_are_counted_and_timed_and_an_empty_queue_is_empty(
    http: httpx.Client, owner: Headers, model: str, data: str
) -> None:
    before = value(http, "lirf_batch_images_sum")
    http.post("/predict", json={"model": model, "dataset": data, "indices": [0, 1, 2]}, headers=owner)
    assert value(http, "lirf_batch_images_sum") == before + 3
    assert value(http, "lirf_inference_seconds_count") == value(http, "lirf_queue_seconds_count") >= 1
    assert value(http, "lirf_queue_images") == 0
    assert value(http, "lirf_rejected_total") == 0


def test_jobs_and_deposits_are_counted_by_state(http: httpx.Client, deposit: str) -> None:
    assert deposit
    assert value(http, 'lirf_deposits{state="sealed"}') == 1
    assert value(http, 'lirf_jobs{state="SUCCEEDED"}') >= 1
    assert value(http, 'lirf_jobs{state="FAILED"}') == 0
