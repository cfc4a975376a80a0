"""Works a run's items off with Google's own libraries: the same writes as the worker's, in the same
order, and nothing else: no look at what earlier attempts left, no retries of its own."""

import hashlib
import json
import os
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from google.auth.credentials import AnonymousCredentials
from google.cloud import pubsub_v1, storage
from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
from requests.adapters import HTTPAdapter

RUN, BUCKET, FOLDER = os.environ["RUN"], os.environ["BUCKET"], os.environ["FOLDER"]
CONCURRENCY = int(os.environ["CONCURRENCY"])
SECONDS = int(os.environ["MILLISECONDS"]) / 1000

client = storage.Client(
    project="local-cloud",
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": os.environ["STORAGE_EMULATOR_HOST"]},
)
# Its pool keeps ten connections, fewer than there are threads.
client._http.mount("http://", HTTPAdapter(pool_connections=CONCURRENCY, pool_maxsize=CONCURRENCY))
bucket = client.bucket(BUCKET)


def create(name, record):
    bucket.blob(name).upload_from_string(
        json.dumps(record), content_type="application/json", if_generation_match=0
    )


def work(message):
    item = json.loads(message.data)["item"]
    shard = hashlib.sha256(item.encode()).hexdigest()[:2]
    execution = uuid.uuid4().hex
    create(
        f"runs/{RUN}/attempts/{shard}/{item}/0001.json",
        {"run": RUN, "item": item, "number": 1, "execution": execution},
    )
    name = f"{FOLDER}/{item}.bin"
    found = bucket.get_blob(name)
    time.sleep(SECONDS)
    output = bucket.blob(name)
    output.metadata = {"provision-run": RUN, "provision-item": item, "provision-execution": execution}
    output.upload_from_string(b"x" * 1024, if_generation_match=found.generation if found else 0)
    create(
        f"runs/{RUN}/receipts/{shard}/{item}.json",
        {"run": RUN, "item": item, "execution": execution, "generation": output.generation},
    )
    message.ack()


subscriber = pubsub_v1.SubscriberClient()
pulling = subscriber.subscribe(
    os.environ["SUBSCRIPTION"],
    callback=work,
    flow_control=pubsub_v1.types.FlowControl(max_messages=CONCURRENCY),
    scheduler=ThreadScheduler(ThreadPoolExecutor(max_workers=CONCURRENCY)),
)
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
stopped.wait()
pulling.cancel()
