# The released CloudFormation template as a Terraform module. Everything is in the template; this passes parameters on.
#
#   module "orders_failover" {
#     source       = "./terraform"
#     name         = "orders-failover"
#     template_url = "https://my-bucket.s3.amazonaws.com/rds-route53-failover-0.2.0.template.json"
#     parameters = {
#       CodeBucket                  = "my-bucket"
#       CodeKey                     = "rds-route53-failover-0.2.0-aarch64.zip"
#       PrimaryDbInstanceIdentifier = "orders-primary"
#       PrimaryRegion               = "us-east-1"
#       Mode                        = "observe"
#     }
#   }

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "name" {
  description = "Name of the stack and of the function."
  type        = string
  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,63}$", var.name))
    error_message = "A letter, then letters, digits and hyphens; at most 64 characters."
  }
}

variable "template_url" {
  description = "HTTPS address of the released template in a bucket of yours."
  type        = string
}

variable "parameters" {
  description = "Parameters of the template by their names there. What is left out keeps the template's default."
  type = object({
    AllowPromotionRequests      = optional(string)
    Architecture                = optional(string)
    CheckSchedule               = optional(string)
    CodeBucket                  = string
    CodeKey                     = string
    ConfirmationInterval        = optional(string)
    Confirmations               = optional(number)
    Cooldown                    = optional(string)
    CreateLogGroup              = optional(string)
    CreateRecords               = optional(string)
    EndpointHealthCheckId       = optional(string)
    Failback                    = optional(string)
    FailbackConfirmations       = optional(number)
    FencePrimary                = optional(string)
    HealthCheckId               = optional(string)
    HealthEndpointQuorum        = optional(string)
    HealthEndpointTimeout       = optional(string)
    HealthEndpoints             = optional(string)
    HostedZoneId                = optional(string)
    LogLevel                    = optional(string)
    LogRetentionDays            = optional(number)
    MaxReplicaLag               = optional(string)
    Mode                        = optional(string)
    NotificationEmail           = optional(string)
    NotificationTopicArn        = optional(string)
    NotificationTopicKeyId      = optional(string)
    OnPrimaryUnreachable        = optional(string)
    PrimaryDbInstanceIdentifier = optional(string)
    PrimaryEndpoint             = optional(string)
    PrimaryName                 = optional(string)
    PrimaryRegion               = optional(string)
    PromoteOn                   = optional(string)
    PromoteReplica              = optional(string)
    RecordHealthCheckId         = optional(string)
    RecordName                  = optional(string)
    ReplicaDbInstanceIdentifier = optional(string)
    ReplicaEndpoint             = optional(string)
    ReplicaRegion               = optional(string)
    ReservedConcurrency         = optional(string)
    SecondaryEndpoints          = optional(string)
    StatusOverrides             = optional(string)
    TimeoutSeconds              = optional(number)
    Ttl                         = optional(number)
    VpcSecurityGroupIds         = optional(string)
    VpcSubnetIds                = optional(string)
    WatchInterval               = optional(string)
  })
  validation {
    condition     = (var.parameters.PrimaryName == null) != (var.parameters.PrimaryDbInstanceIdentifier == null)
    error_message = "Set PrimaryDbInstanceIdentifier (with PrimaryRegion), or PrimaryName."
  }
}

resource "aws_cloudformation_stack" "failover" {
  name         = var.name
  template_url = var.template_url
  capabilities = ["CAPABILITY_IAM"]
  parameters   = { for key, value in var.parameters : key => value if value != null }
}

output "outputs" {
  description = "The stack's outputs, among them the commands for operators."
  value       = aws_cloudformation_stack.failover.outputs
}
